import { LogCorruptError, START, type EventLog, type LogPosition, type StoredEvent } from './event-log.js';

export type FoldOptions = {
  readonly log: EventLog;
  /** A new fold begins: forget everything. */
  readonly reset: () => void;
  /** Takes up a snapshot after `reset` and says what position it stands for; `START` when there is none that can be used. */
  readonly restore?: () => Promise<LogPosition>;
  readonly fold: (event: StoredEvent) => void;
  /** Folding rejects when it aborts: half a log is none. */
  readonly signal: AbortSignal;
};

/** From the snapshot if there is one that fits the log, else from the start. A bad snapshot costs time and nothing else. */
export const foldAll = async (options: FoldOptions): Promise<LogPosition> => {
  options.reset();
  const from = (await options.restore?.()) ?? START;
  if (from.seq === 0) return await foldOn(options, START);
  try {
    return await foldOn(options, from);
  } catch (error) {
    if (!(error instanceof LogCorruptError)) throw error;
    // Either the snapshot is of another log or the log is damaged: from the start, the log itself says which.
    options.reset();
    return await foldOn(options, START);
  }
};

export const foldOn = async ({ log, fold, signal }: FoldOptions, from: LogPosition): Promise<LogPosition> => {
  let at = from;
  for await (const event of log.replay(from, { signal })) {
    fold(event);
    at = { seq: event.seq, hash: event.hash };
  }
  return at;
};
