import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import type { MainEnd, StepFailure, TaskFinishing } from './events.js';
import { itemRefOf } from './items.js';
import { isOver, type Progress } from './progress.js';
import type { StepSpec } from './step-spec.js';
import type { Waited } from './waiting-events.js';

/** `force`: the steps at its end do not run either. */
export type Ending = { readonly force?: true } & (
  | { readonly kind: 'cancelled'; readonly reason: string }
  | {
      readonly kind: 'failed';
      readonly failure: Failure;
      readonly step?: StepFailure;
      readonly waited?: Waited;
    }
);

/** A task of which only the steps at its end are left: how all the others have ended, and until when these may take. */
export type Finishing = { readonly end: FinishedMain; readonly until: string };

export type FinishedMain =
  | { readonly status: 'completed'; readonly result: unknown }
  /** `stepId`: the step that was to blame, where one was. */
  | { readonly status: 'failed'; readonly failure: Failure; readonly stepId: StepId | null }
  | { readonly status: 'cancelled'; readonly reason: string };

/** What has to be known of a task for it to come to its end: `Task` itself is built upon this. */
type WithSteps = { readonly steps: readonly AnyStep[] };
type AnyStep = { readonly spec: StepSpec; readonly progress: Progress; readonly item?: unknown };

/**
 * The task with nothing left but the steps at its end: what had not begun will not, items are gone, and the step that was to blame has
 * failed. `told`: after what the event says of the last step.
 */
export const finishing = <T extends WithSteps>(told: T, { end, until }: TaskFinishing) => {
  const blamed = blamedBy(end);
  const steps = told.steps
    .filter(({ item }) => item === undefined)
    .map((step) => (step.spec.atEnd ? step : { ...step, progress: ended(step, blamed) }));
  return { ...told, steps, ending: null, finishing: { end: mainOf(end, blamed), until } };
};

type Blamed = { readonly stepId: StepId; readonly attempt: number; readonly failure: Failure } | null;

/** With an item its step has failed. */
const blamedBy = (end: MainEnd): Blamed => {
  if (end.status !== 'failed') return null;
  if (end.step) {
    const { stepId, attempt, failure } = end.step;
    return { stepId: itemRefOf(stepId)?.of ?? stepId, attempt, failure };
  }
  const { stepId = '', failure } = end.waited ?? {};
  const item = itemRefOf(stepId);
  // A step that has waited in vain without items has failed by what the event says of it.
  return item && failure ? { stepId: item.of, attempt: 1, failure } : null;
};

const ended = ({ spec, progress }: AnyStep, blamed: Blamed): Progress => {
  if (spec.id === blamed?.stepId)
    return { status: 'failed', attempt: blamed.attempt, failure: blamed.failure };
  if (isOver(progress)) return progress;
  return { status: 'stopped', attempt: 'attempts' in progress ? progress.attempts : 1 };
};

const mainOf = (end: MainEnd, blamed: Blamed): FinishedMain => {
  if (end.status === 'completed') return { status: 'completed', result: end.result };
  if (end.status === 'cancelled') return { status: 'cancelled', reason: end.reason };
  return {
    status: 'failed',
    failure: end.failure,
    stepId: blamed?.stepId ?? end.waited?.stepId ?? null,
  };
};
