import type { SqlEntityManager } from '@mikro-orm/sqlite';
import {
  LogCorruptError,
  START,
  type EventLog,
  type LogPosition,
  type StoredEvent,
} from '#libs/event-log/event-log.js';
import { Checkpoint } from '../database/entities.js';

/**
 * Raise it when a projection makes other rows of the same events: every read model is then built anew at its next start.
 */
const PROJECTION_VERSION = 3;

/** How far a stream is included in the read model, with enough of the event there to know the log again. */
export type Included = {
  readonly seq: number;
  readonly eventId: string;
  readonly hash: string;
  readonly prevHash: string;
  readonly genesisId: string;
  readonly projectionVersion: number;
};

const NOTHING: Included = {
  seq: 0,
  eventId: '',
  hash: START.hash,
  prevHash: START.hash,
  genesisId: '',
  projectionVersion: PROJECTION_VERSION,
};

/** The read model was made from another log than this one, or from more of it than there is now. */
export class CheckpointMismatchError extends Error {
  override readonly name = 'CheckpointMismatchError';
}

/** Somebody else writes into this database. */
export class CheckpointMovedError extends Error {
  override readonly name = 'CheckpointMovedError';
}

export const readCheckpoint = async (em: SqlEntityManager, stream: string): Promise<Included> => {
  const row = await em.findOne(Checkpoint, { stream }, { disableIdentityMap: true });
  return row ?? NOTHING;
};

/** What is included once `events`, which follow on `from`, are. */
export const includedAfter = (from: Included, events: readonly StoredEvent[]): Included => {
  const [first] = events;
  const last = events.at(-1);
  if (!first || !last) return from;
  return {
    seq: last.seq,
    eventId: last.id,
    hash: last.hash,
    prevHash: last.prevHash,
    genesisId: first.seq === 1 ? first.id : from.genesisId,
    projectionVersion: PROJECTION_VERSION,
  };
};

/**
 * Moves the checkpoint if it still stands where the caller believes it to be. The first statement of the transaction:
 * it takes the lock that keeps a second writer out.
 */
export const moveCheckpoint = async (
  em: SqlEntityManager,
  stream: string,
  from: Included,
  to: Included,
): Promise<void> => {
  const values = [to.seq, to.eventId, to.hash, to.prevHash, to.genesisId, to.projectionVersion, stream];
  const { affectedRows } = await em.execute<{ affectedRows: number }>(
    from.seq === 0 ? INSERT : UPDATE,
    from.seq === 0 ? values : [...values, from.seq, from.eventId],
    'run',
  );
  if (affectedRows === 1) return;
  throw new CheckpointMovedError(
    `${stream}: the checkpoint is no longer at ${from.seq}: another process writes this read model. Run one results service for each database.`,
  );
};

const INSERT = `insert into checkpoint (seq, event_id, hash, prev_hash, genesis_id, projection_version, stream)
  values (?, ?, ?, ?, ?, ?, ?) on conflict (stream) do nothing`;
const UPDATE = `update checkpoint set seq = ?, event_id = ?, hash = ?, prev_hash = ?, genesis_id = ?,
  projection_version = ? where stream = ? and seq = ? and event_id = ?`;

/** Rejects with `CheckpointMismatchError` unless the log holds, at the checkpoint, exactly the event that was included last. */
export const compareWithLog = async (included: Included, log: EventLog): Promise<LogPosition> => {
  const { seq, hash } = included;
  if (seq === 0) return START;
  const differs = (what: string): CheckpointMismatchError =>
    new CheckpointMismatchError(`${log.name}: the read model includes everything up to ${seq}, but ${what}`);
  if (included.projectionVersion !== PROJECTION_VERSION) {
    throw differs(`as version ${included.projectionVersion} made it; this is version ${PROJECTION_VERSION}`);
  }
  const { lastSeq } = await log.tail();
  if (lastSeq < seq) throw differs(`the log ends at ${lastSeq}: it lost events or was made anew`);
  const genesis = await eventAfter(log, START);
  if (genesis?.id !== included.genesisId) {
    throw differs(
      `its first event is ${genesis?.id ?? 'missing'}, not ${included.genesisId}: it is another log`,
    );
  }
  const event = await eventAfter(log, { seq: seq - 1, hash: included.prevHash });
  if (event?.id !== included.eventId || event.hash !== hash) {
    throw differs(
      `event ${seq} is ${event?.id ?? 'another one'}, not ${included.eventId}: its end was lost and written anew`,
    );
  }
  return { seq, hash };
};

/** The event behind a position; undefined when the position is not one of this log. */
const eventAfter = async (log: EventLog, position: LogPosition): Promise<StoredEvent | undefined> => {
  try {
    for await (const event of log.replay(position, { bufferMax: 1 })) return event;
  } catch (error) {
    if (!(error instanceof LogCorruptError)) throw error;
  }
  return undefined;
};
