import { connect, nkeyAuthenticator } from '@nats-io/transport-node';
import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STREAMS } from '#libs/contracts/streams.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import type { EventLog, StoredEvent } from '#libs/event-log/event-log.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';

type EventsOptions = {
  readonly stream: string;
  readonly fromSeq?: string;
  readonly since?: string;
  readonly task?: string;
  readonly follow?: boolean;
  readonly data: string;
  readonly nats?: string;
};

/** `orchestra events`: the log itself, as an auditor or a subscriber reads it. */
export const addEventsCommand = (program: Command, output: () => Output): void => {
  program
    .command('events')
    .description('read the event log: from a sequence or a time, and on as it grows')
    .option('--stream <name>', 'tasks or leases', 'tasks')
    .option('--from-seq <n>', 'from this sequence; 1 is the start')
    .option('--since <time>', 'from this time (UTC), such as 2026-01-31T12:00:00Z')
    .option('--task <id>', 'only this task')
    .option('-f, --follow', 'go on as events come')
    .option(
      '--data <dir>',
      'data folder of the platform: where its address and the reader key are',
      process.env['ORCHESTRA_DATA_DIR'] ?? 'data',
    )
    .option('--nats <url>', 'broker; default: that of the data folder, or NATS_URL', process.env['NATS_URL'])
    .action(async (options: EventsOptions) => await events(options, output()));
};

const events = async (options: EventsOptions, out: Output): Promise<void> => {
  const spec =
    options.stream === 'tasks' ? STREAMS.tasks : options.stream === 'leases' ? STREAMS.leases : null;
  if (spec === null)
    throw new CommandError(EXIT.usage, `--stream ${options.stream} — expected tasks or leases`);
  const sinceMs = options.since === undefined ? 0 : Date.parse(options.since);
  if (Number.isNaN(sinceMs))
    throw new CommandError(
      EXIT.usage,
      `--since ${options.since} — expected a time such as 2026-01-31T12:00:00Z`,
    );
  const connection = await connectAsObserver(options);
  const stopped = new AbortController();
  process.once('SIGINT', () => stopped.abort());
  try {
    const log = jetStreamEventLog(connection, spec);
    for await (const event of source(log, options, await firstSeq(log, options), stopped.signal)) {
      if (Date.parse(event.time) >= sinceMs) show(event, out);
    }
  } finally {
    await connection.close();
  }
};

const firstSeq = async (log: EventLog, { fromSeq, since, follow }: EventsOptions): Promise<number> => {
  if (fromSeq !== undefined) return Math.max(0, Number(fromSeq) - 1);
  // A bare --follow is a tail; everything else starts where the log does.
  return follow && since === undefined ? (await log.tail()).lastSeq : 0;
};

const source = (
  log: EventLog,
  options: EventsOptions,
  afterSeq: number,
  signal: AbortSignal,
): AsyncIterable<StoredEvent> => {
  const from = { seq: afterSeq, hash: '' };
  const filter = options.task === undefined ? {} : { filterSubject: `evt.task.${options.task}.>` };
  return options.follow ? log.follow(from, { ...filter, signal }) : log.replay(from, { ...filter, signal });
};

const show = (event: StoredEvent, out: Output): void => {
  const { seq, time, type, taskId = '' } = event;
  out.line(event, `${String(seq).padStart(8)}  ${time}  ${out.colour('bold', type.padEnd(24))}  ${taskId}`);
};

const connectAsObserver = async (options: EventsOptions) => {
  const address =
    options.nats ?? (await readFile(join(options.data, 'nats', 'url'), 'utf8').catch(() => '')).trim();
  if (address === '')
    throw new CommandError(
      EXIT.unreachable,
      `No platform runs on ${options.data}; name its data folder with --data, or its broker with --nats.`,
    );
  const seed = await readFile(join(options.data, 'keys', 'observer.nk')).catch(() => null);
  try {
    return await connect({
      servers: address,
      name: 'orchestra events',
      inboxPrefix: '_INBOX_observer',
      ...(seed === null ? {} : { authenticator: nkeyAuthenticator(new Uint8Array(seed)) }),
    });
  } catch (error) {
    throw new CommandError(EXIT.unreachable, `The broker at ${address} does not let us in: ${String(error)}`);
  }
};
