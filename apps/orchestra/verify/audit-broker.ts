import type { NatsConnection } from '@nats-io/transport-node';
import type { SubmitTask, SubmitWorkflow } from '#libs/contracts/commands.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { RPC } from '#libs/contracts/subjects.js';
import { LogAudit, type AuditedStream, type AuditReport } from '#libs/audit/log-audit.js';
import type { StateDigest } from '#libs/audit/state-digest.js';
import { rpcRequest, RpcUnavailableError } from '#libs/runtime/rpc-client.js';
import { BookFold } from './book-fold.js';
import { recordOf } from './record-of.js';
import { lastSeqOf, storedMessages } from './stored-messages.js';

/** The scheduler answers once all that it has decided is in the log. */
const DIGEST_TIMEOUT_MS = 10_000;

export type BrokerAudit = { readonly report: AuditReport; readonly notChecked: readonly string[] };

/** Told every so many messages, for whoever waits. */
type Told = (stream: string, seq: number, untilSeq: number) => void;
const TELL_EVERY = 10_000;

/** Audits the streams as the broker has them. A platform may go on meanwhile: what is too new to be judged is not. */
export const auditBroker = async (
  connection: NatsConnection,
  settled: boolean,
  told: Told,
): Promise<BrokerAudit> => {
  const audit = new LogAudit();
  const digest = await digestOf(connection);
  const read = reading(connection, audit, told);
  const fold = new BookFold(digest);
  await read('tasks', (message) => fold.take(message));
  fold.end();
  if (fold.differs) audit.stateDiffers(fold.differs.seq, fold.differs.message);
  await read('leases', () => undefined);
  await readSubmissions(connection, audit, told);
  const notChecked = digest === null ? ['promise 5: no scheduler answers'] : [];
  return { report: audit.report({ nowMs: Date.now(), settled }), notChecked };
};

const digestOf = async (connection: NatsConnection): Promise<StateDigest | null> => {
  try {
    return await rpcRequest<StateDigest>(connection, RPC.stateDigest, {}, DIGEST_TIMEOUT_MS);
  } catch (error) {
    if (error instanceof RpcUnavailableError) return null;
    throw error;
  }
};

const reading =
  (connection: NatsConnection, audit: LogAudit, told: Told) =>
  async (stream: AuditedStream, also: (record: ReturnType<typeof recordOf>) => void): Promise<void> => {
    const { name } = STREAMS[stream];
    const untilSeq = await lastSeqOf(connection, name);
    for await (const message of storedMessages(connection, name, untilSeq)) {
      if (message.seq % TELL_EVERY === 0) told(name, message.seq, untilSeq);
      try {
        const record = recordOf(message);
        audit.take(stream, record);
        also(record);
      } catch (error) {
        audit.unreadable(name, message.seq, (error as Error).message);
      }
    }
    audit.endsAt(stream, untilSeq);
  };

/** What clients sent and the stream still has, up to the last that was decided. */
const readSubmissions = async (connection: NatsConnection, audit: LogAudit, told: Told): Promise<void> => {
  const { name } = STREAMS.commands;
  if (audit.decidedTo === 0) return;
  for await (const { seq, subject, payload } of storedMessages(connection, name, audit.decidedTo)) {
    if (seq % TELL_EVERY === 0) told(name, seq, audit.decidedTo);
    if (!subject.startsWith('cmd.submit.') && !subject.startsWith('cmd.workflow.')) continue;
    try {
      const command = JSON.parse(payload) as SubmitTask | SubmitWorkflow;
      audit.submission({
        seq,
        ...command,
        id: command.kind === 'submit' ? command.taskId : command.workflowId,
      });
    } catch (error) {
      audit.unreadable(name, seq, (error as Error).message);
    }
  }
};
