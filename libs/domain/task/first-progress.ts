import type { StepId } from '../ids.js';
import type { KeptStep } from './events.js';

export const FRESH = { status: 'pending', attempts: 0, interruptions: 0, notBefore: null } as const;

/** A step that is kept is over without an attempt: its number is 0. */
export const firstProgress = (id: StepId, keptSteps: readonly KeptStep[]) => {
  const kept = keptSteps.find(({ stepId }) => stepId === id);
  if (kept === undefined) return FRESH;
  if (kept.skipped) return { status: 'skipped' } as const;
  return kept.failure === undefined
    ? ({ status: 'done', attempt: 0, output: kept.output } as const)
    : ({ status: 'failed', attempt: 0, failure: kept.failure } as const);
};
