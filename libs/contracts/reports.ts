import type { Failure } from '#libs/domain/errors.js';
import type { LeaseId, StepId, TaskId } from '#libs/domain/ids.js';
import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import type { ModelUsage } from '#libs/domain/usage.js';

/** How one attempt ended, as its executor saw it, on `REPORTS` (`rpt.<taskId>`). Message id: `<leaseId>`. */
export type AttemptReport = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly attempt: number;
  readonly leaseId: LeaseId;
  readonly token: number;
  readonly executorId: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly outcome: AttemptOutcome;
};

export type AttemptOutcome =
  | {
      readonly kind: 'completed';
      readonly output: unknown;
      readonly artifacts?: readonly StoredArtifact[];
      readonly usage?: ModelUsage;
    }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** Aborted because the task is being cancelled; `confirmed` when the server was seen free. */
  | { readonly kind: 'cancelled'; readonly confirmed: boolean };

/** Tokens and progress on `live.<taskId>`; may be lost. `n` counts up from 0 within an attempt so that a gap is visible. */
export type LiveMessage = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly attempt: number;
  readonly n: number;
  readonly atMs: number;
} & (
  | { readonly kind: 'token'; readonly text: string; readonly thinking?: string }
  | {
      readonly kind: 'progress';
      readonly message: string;
      readonly completed?: number;
      readonly total?: number;
    }
);
