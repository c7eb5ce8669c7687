import type { StepId } from '../ids.js';
import type { KeptStep, LeaseRef } from './events.js';
import type { Items } from './items.js';
import type { OverProgress, WaitingProgress } from './waiting-state.js';

/** How far a step of an open task has come. */
export type Progress =
  /**
   * `attempts` so far, of which `interruptions` were cut short from outside; not to be tried before `notBefore`. `admitted`: its
   * condition was found true.
   */
  | {
      readonly status: 'pending';
      readonly attempts: number;
      readonly interruptions: number;
      readonly notBefore: string | null;
      readonly admitted?: true;
    }
  | {
      readonly status: 'active';
      readonly attempt: number;
      readonly interruptions: number;
      readonly lease: LeaseRef;
      readonly vramShare: number;
      readonly at: string;
    }
  | WaitingProgress
  | { readonly status: 'stopped'; readonly attempt: number }
  /** Its condition was found false. */
  | { readonly status: 'skipped' }
  /** Where it has failed, that is for good, and the task goes on without it. */
  | OverProgress
  /** Its items run. */
  | Items;

/** Nothing has happened yet. */
export const FRESH = { status: 'pending', attempts: 0, interruptions: 0, notBefore: null } as const;

/** A step that is kept is over without an attempt: its number is 0. */
export const firstProgress = (id: StepId, keptSteps: readonly KeptStep[]): Progress => {
  const kept = keptSteps.find(({ stepId }) => stepId === id);
  if (kept === undefined) return FRESH;
  if (kept.skipped) return { status: 'skipped' };
  return kept.failure === undefined
    ? { status: 'done', attempt: 0, output: kept.output }
    : { status: 'failed', attempt: 0, failure: kept.failure };
};

/** Whether a step ran in the task that this one repeats, and not here. */
export const isKept = (progress: Progress): boolean =>
  (progress.status === 'done' || progress.status === 'failed') && progress.attempt === 0;

/** Whether a step holds up nothing of its task any more: it is done, was left out, or the task goes on without it. */
export const isOver = ({ status }: Progress): boolean =>
  status === 'done' || status === 'skipped' || status === 'failed';
