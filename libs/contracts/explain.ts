import type { Failure } from '#libs/domain/errors.js';
import type { TaskId } from '#libs/domain/ids.js';
import type { StepExplanation } from '#libs/domain/policy/explain.js';
import type { PredictionRecord } from '#libs/domain/task/prediction-errors.js';
import type { Pause } from '#libs/domain/task/pauses.js';
import type { Moved } from '#libs/domain/task/move-events.js';
import type { QueueView } from '#libs/domain/policy/queue-view.js';

/** Asks the scheduler that leads why a task is where it is. */
export type ExplainRequest = { readonly taskId: TaskId };

/** As the scheduler sees it at this moment; `seq` is the last fact of `TASKS` that it counts. */
export type ExplainReply =
  | {
      readonly kind: 'open';
      readonly seq: number;
      readonly atMs: number;
      readonly priority: number;
      /** Where somebody has put it; null where priority and age say its place. */
      readonly moved: Moved | null;
      readonly steps: readonly StepExplanation[];
      /** How good predictions of starts have been; null before the first one came true or not. */
      readonly predictions: PredictionRecord | null;
    }
  | {
      readonly kind: 'over';
      readonly seq: number;
      readonly atMs: number;
      readonly status: 'completed' | 'failed' | 'cancelled';
    }
  | { readonly kind: 'unknown' };

/** Asks results the same about a moment of the past: the time, or the sequence of an event of `TASKS`, which counts. */
export type PastExplainRequest = {
  readonly taskId: TaskId;
  /** Waits (at most a second) until results knows the tasks up to here. */
  readonly atLeastSeq?: number;
  readonly at: { readonly timeMs: number } | { readonly seq: number };
};

export type PastExplainReply =
  | Exclude<ExplainReply, { readonly kind: 'over' }>
  | (Extract<ExplainReply, { readonly kind: 'over' }> & { readonly endedAtMs?: number })
  | {
      readonly kind: 'not-submitted';
      readonly seq: number;
      readonly atMs: number;
      readonly submittedAtMs: number;
    };

export type PastExplainAnswer =
  | { readonly ok: true; readonly reply: PastExplainReply }
  | { readonly ok: false; readonly failure: Failure };

/** Asks the scheduler that leads what is ready to run; so many steps at most. */
export type QueueRequest = { readonly limit: number };

export type QueueReply = QueueView & {
  readonly seq: number;
  readonly atMs: number;
  /** Open tasks, those included of which nothing is ready. */
  readonly open: number;
  readonly predictions: PredictionRecord | null;
  /** The pause of everything, where there is one. */
  readonly paused: Pause | null;
};
