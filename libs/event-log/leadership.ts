import {
  LogUnavailableError,
  WriterDeposedError,
  type LogPosition,
  type LogWriter,
  type NewEvent,
  type StoredEvent,
} from './event-log.js';
import { foldAll, foldOn, type FoldOptions } from './fold-log.js';
import { pause } from './pause.js';

/** Says who may try to lead. It is about liveness alone: two holders at once do no harm, because the log fences. */
export interface Candidacy {
  /** Resolves when this node may try. Rejects when the signal aborts, or when waiting will not help (no such bucket, no right to it). */
  acquire(signal: AbortSignal): Promise<Held>;
}

export interface Held {
  /** Resolves when the hold is lost: not renewed in time, or taken by another. */
  readonly lost: Promise<Error>;
  /** Lets go, so that another need not wait for the time to live. */
  release(): Promise<void>;
}

export type LeadOptions = FoldOptions & {
  readonly candidacy: Candidacy;
  /** What the writer begins with at this position: `START` for a log without any event. */
  readonly opening: (at: LogPosition) => NewEvent;
  /** Leads until its writer is over or `signal` aborts; the opening event is not folded yet. */
  readonly term: (writer: LogWriter, opening: StoredEvent, signal: AbortSignal) => Promise<Error>;
  readonly onTermOver: (reason: Error) => void;
};

/** Newcomers that lose the race for the opening read on and try again; a log that moves on this often is led by someone. */
const OPENINGS_MAX = 20;

/** Pause after a term that ended by a failure, so that a broken log does not make a busy loop. */
const AGAIN_AFTER_MS = 500;

/**
 * The life of a candidate: wait for the hold, fold the log to its end, open it (this is the moment at which the old leader, if
 * it still lives, is fenced off), lead, step down, stand again. Resolves when the signal aborts. Rejects when the log is
 * damaged or holds what this version does not know: going on would decide from a wrong state.
 */
export const standForElection = async (options: LeadOptions): Promise<void> => {
  const { candidacy, signal, onTermOver } = options;
  while (!signal.aborted) {
    let held: Held;
    try {
      held = await candidacy.acquire(signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    try {
      onTermOver(await serve(options, held));
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      onTermOver(error);
      await pause(AGAIN_AFTER_MS, signal);
    } finally {
      await held.release();
    }
  }
};

const isPassing = (error: unknown): error is Error =>
  error instanceof WriterDeposedError || error instanceof LogUnavailableError;

/** One term, from the hold to the closed writer. */
const serve = async (options: LeadOptions, held: Held): Promise<Error> => {
  const ending = new AbortController();
  const stop = (): void => ending.abort();
  options.signal.addEventListener('abort', stop, { once: true });
  if (options.signal.aborted) stop();
  void held.lost.then(stop);
  try {
    const { writer, opening } = await takeOver(options);
    try {
      return await options.term(writer, opening, ending.signal);
    } finally {
      await writer.close();
    }
  } finally {
    options.signal.removeEventListener('abort', stop);
  }
};

const takeOver = async (options: LeadOptions): Promise<{ writer: LogWriter; opening: StoredEvent }> => {
  let at = await foldAll(options);
  for (let round = 0; round < OPENINGS_MAX; round += 1) {
    const event = options.opening(at);
    try {
      const writer = await options.log.openWriter(at, event);
      const { seq, hash } = writer.position;
      return { writer, opening: { ...event, seq, hash, prevHash: at.hash, epoch: writer.epoch } };
    } catch (error) {
      if (!(error instanceof WriterDeposedError)) throw error;
    }
    at = await foldOn(options, at);
  }
  throw new WriterDeposedError(
    `${options.log.name}: moved on at each of ${OPENINGS_MAX} attempts to open it`,
  );
};
