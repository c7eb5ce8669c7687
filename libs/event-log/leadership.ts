import {
  LogUnavailableError,
  START,
  WriterDeposedError,
  type EventLog,
  type LogPosition,
  type LogWriter,
  type NewEvent,
  type StoredEvent,
} from './event-log.js';
import { pause } from './pause.js';

/** Says who may try to lead. It is about liveness alone: two holders at once do no harm, because the log fences. */
export interface Candidacy {
  /** Resolves when this node may try; rejects only when the signal aborts. */
  acquire(signal: AbortSignal): Promise<Held>;
}

export type Held = {
  /** Resolves when the hold is lost: not renewed in time, or taken by another. */
  readonly lost: Promise<Error>;
  /** Lets go, so that another need not wait for the time to live. */
  readonly release: () => Promise<void>;
};

export type LeadOptions = {
  readonly log: EventLog;
  readonly candidacy: Candidacy;
  /** A new fold begins: forget everything. */
  readonly reset: () => void;
  readonly fold: (event: StoredEvent) => void;
  /** What the writer begins with at this position: `START` for a log without any event. */
  readonly opening: (at: LogPosition) => NewEvent;
  /** Leads until its writer is over or `signal` aborts; the opening event is not folded yet. */
  readonly term: (writer: LogWriter, opening: StoredEvent, signal: AbortSignal) => Promise<Error>;
  readonly onTermOver: (reason: Error) => void;
  readonly signal: AbortSignal;
};

/** Newcomers that lose the race for the opening read on and try again; a log that moves on this often is led by someone. */
const OPENINGS_MAX = 20;

/** Pause after a term that ended by a failure, so that a broken log does not make a busy loop. */
const AGAIN_AFTER_MS = 500;

/**
 * The life of a candidate: wait for the hold, fold the log to its end, open it (this is the moment at which the old leader, if
 * it still lives, is fenced off), lead, step down, stand again. Rejects when the log is damaged or holds what this
 * version does not know: going on would decide from a wrong state.
 */
export const standForElection = async (options: LeadOptions): Promise<void> => {
  const { candidacy, signal, onTermOver } = options;
  while (!signal.aborted) {
    const held = await candidacy.acquire(signal).catch(() => null);
    if (held === null) return;
    const ending = new AbortController();
    const stop = (): void => ending.abort();
    signal.addEventListener('abort', stop, { once: true });
    void held.lost.then(stop);
    try {
      const { writer, opening } = await takeOver(options);
      onTermOver(await options.term(writer, opening, ending.signal));
      await writer.close();
    } catch (error) {
      if (!isPassing(error)) throw error;
      onTermOver(error);
      await pause(AGAIN_AFTER_MS, signal);
    } finally {
      signal.removeEventListener('abort', stop);
      await held.release();
    }
  }
};

const isPassing = (error: unknown): error is Error =>
  error instanceof WriterDeposedError ||
  error instanceof LogUnavailableError ||
  /timeout|no responders|closed|disconnect|503/i.test(String(error));

const takeOver = async (options: LeadOptions): Promise<{ writer: LogWriter; opening: StoredEvent }> => {
  const { log, reset, fold } = options;
  reset();
  let at: LogPosition = START;
  for (let round = 0; round < OPENINGS_MAX; round += 1) {
    for await (const event of log.replay(at, { signal: options.signal })) {
      fold(event);
      at = { seq: event.seq, hash: event.hash };
    }
    const event = options.opening(at);
    try {
      const writer = await log.openWriter(at, event);
      const { seq, hash } = writer.position;
      return { writer, opening: { ...event, seq, hash, prevHash: at.hash, epoch: writer.epoch } };
    } catch (error) {
      if (!(error instanceof WriterDeposedError)) throw error;
    }
  }
  throw new WriterDeposedError(`${log.name}: moved on at each of ${OPENINGS_MAX} attempts to open it`);
};
