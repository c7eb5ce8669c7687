import type { Hardware } from './hardware.js';
import type { Trace } from './trace.js';

/** What happened when a scheduler ran a trace on a hardware. Times are milliseconds from the start of the trace. */
export type RunRecord = {
  readonly scheduler: string;
  readonly tasks: readonly TaskRun[];
  readonly loads: number;
  /** Moments at which more was loaded on a GPU than it holds, or a model ran partly on the CPU. */
  readonly overcommits: number;
  /** Per server: time in which it computed at least one request. */
  readonly busyMs: ReadonlyMap<string, number>;
  /** GPU time that went into requests whose server died under them, and was spent once more; absent for none. */
  readonly repeatedMs?: number;
  /** How often a server died or was restarted; absent for never. */
  readonly deaths?: number;
  /**
   * When something happened that a promised start presumes not to happen: from when to when a server was known not to be up, and
   * the moments at which an attempt or a load failed. Absent for none, and where nothing is promised.
   */
  readonly disturbances?: readonly Span[];
};

/** From one moment to another, both included. */
export type Span = { readonly fromMs: number; readonly toMs: number };

export type TaskRun = {
  readonly id: string;
  readonly serverId: string;
  /** When it was submitted and everything that it needs was done. */
  readonly readyAtMs: number;
  /** When a slot began to work for it, for the last time where its server died. */
  readonly startedAtMs: number;
  /** When one did for the first time; absent where that was the only one. */
  readonly firstStartedAtMs?: number;
  readonly endedAtMs: number;
  /** By when it was to start at the latest, as promised when it became ready; null where a scheduler promises nothing. */
  readonly startBoundMs: number | null;
  /** When it was to start probably, as predicted when it became ready and was not placed at once; null: nothing was predicted. */
  readonly predictedMs: number | null;
};

/** Runs a whole trace; the same seed gives the same record. */
export type SimScheduler = {
  readonly name: string;
  readonly run: (trace: Trace, hardware: Hardware) => RunRecord;
};
