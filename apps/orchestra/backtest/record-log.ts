import type { NatsConnection } from '@nats-io/transport-node';
import type { AuditRecord } from '#libs/audit/audit-record.js';
import type { AuditedStream } from '#libs/audit/log-audit.js';
import { STREAMS } from '#libs/contracts/streams.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import {
  BacktestRefusedError,
  type LogRecording,
  type Recording,
} from '#libs/simulation/backtest/log-recording.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { ExportFiles } from '../verify/audit-export.js';
import { linesOf } from '../verify/export-lines.js';
import { recordOf, recordOfLine } from '../verify/record-of.js';
import { lastSeqOf, storedMessages } from '../verify/stored-messages.js';

/** Told every so many events, for whoever waits. */
export type ReadTold = (stream: string, seq: number, untilSeq: number | null) => void;
const TELL_EVERY = 10_000;

const BOTH = ['tasks', 'leases'] as const;

/** The log as the broker has it now. A platform may go on meanwhile. */
export const recordBroker = async (
  connection: NatsConnection,
  recording: LogRecording,
  told: ReadTold,
): Promise<Recording> => {
  const nowMs = Date.now();
  for (const stream of BOTH) {
    const { name } = STREAMS[stream];
    const untilSeq = await lastSeqOf(connection, name);
    for await (const message of storedMessages(connection, name, untilSeq)) {
      if (message.seq % TELL_EVERY === 0) told(name, message.seq, untilSeq);
      asUsage(`${name}, event ${message.seq}`, () => take(recording, stream, recordOf(message)));
    }
  }
  return asUsage('', () => recording.end(nowMs));
};

/** The present of an export is its last event. */
export const recordExport = async (
  files: ExportFiles,
  recording: LogRecording,
  told: ReadTold,
): Promise<Recording> => {
  for (const stream of BOTH) {
    const file = files[stream];
    for await (const { line, place } of linesOf(file)) {
      if (place % TELL_EVERY === 0) told(file, place, null);
      asUsage(`${file}, line ${place}`, () => take(recording, stream, recordOfLine(line)));
    }
  }
  return asUsage('', () => recording.end());
};

const take = (recording: LogRecording, stream: AuditedStream, stored: AuditRecord): void => {
  const { seq, type, data, time, causationId } = stored;
  const record = {
    seq,
    atMs: Date.parse(time),
    event: { ...data, type },
    ...(causationId === undefined ? {} : { causationId }),
  };
  if (stream === 'tasks') recording.task(record as unknown as TaskRecord & { readonly atMs: number });
  else recording.lease(record as unknown as GpuRecord & { readonly atMs: number });
};

/** What the log is refused for is said with its place; a log that cannot be folded is for `verify` to explain. */
export const asUsage = <T>(place: string, act: () => T): T => {
  try {
    return act();
  } catch (error) {
    const at = place === '' ? '' : `${place}: `;
    const { message } = error as Error;
    if (error instanceof BacktestRefusedError) throw new CommandError(EXIT.usage, `${at}${message}`);
    throw new CommandError(EXIT.usage, `${at}${message}; \`orchestra verify\` says more.`);
  }
};
