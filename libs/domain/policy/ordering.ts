import type { WorkspaceId } from '../ids.js';
import { comparePlaces, type Place } from './place.js';
import type { ReadyStep } from './ready-step.js';

/** What the order depends on besides the steps themselves, at one moment. */
export type Ranking = {
  /** Whether a step goes before all that were submitted after the one that has been overtaken long enough. */
  readonly mustRun: (step: ReadyStep) => boolean;
  /** Whether any does. */
  readonly someMustRun: boolean;
  /** How far ahead of its share a workspace is, in whole quanta; 0 for the least served. */
  readonly levelOf: (workspace: WorkspaceId) => number;
  readonly agingMs: number;
};

/**
 * Who goes first.
 * 1. What must run: submitted no later than a step that has been overtaken for as long as it may.
 * 2. The workspace that has had less than its share.
 * 3. What would miss its deadline otherwise, the nearest deadline first.
 * 4. Priority and age together: the moment of submission, earlier by `agingMs` for each level of priority. What is submitted later
 *    by more than the levels are worth never goes first, so nothing starves. A task that a person has moved has the place on this scale
 *    that it was given; a deadline that is near does not ask for that.
 * 5. Age of the task: its submission's sequence, which also puts a task before those that depend on it.
 * 6. Step id (arbitrary, keeps runs reproducible).
 */
export const compareSteps =
  (ranking: Ranking) =>
  (a: ReadyStep, b: ReadyStep): number =>
    Number(ranking.mustRun(b)) - Number(ranking.mustRun(a)) ||
    ranking.levelOf(a.workspace) - ranking.levelOf(b.workspace) ||
    byDeadline(a, b) ||
    (a.urgentByMs === null ? byPlace(a, b, ranking.agingMs) : byAge(a, b));

export type Compare = (a: ReadyStep, b: ReadyStep) => number;

/** The moment of submission, as if that had been earlier by `agingMs` for each level of priority. */
export const agedMs = ({ submittedAtMs, priority, place }: ReadyStep, agingMs: number): number =>
  place === null ? submittedAtMs - priority * agingMs : place.fromMs - place.priority * agingMs;

/** Priority and age together, then age; a person's word counts in place of both. */
export const byPlace = (a: ReadyStep, b: ReadyStep, agingMs: number): number =>
  a.place === null && b.place === null
    ? agedMs(a, agingMs) - agedMs(b, agingMs) || byAge(a, b)
    : comparePlaces(placeOf(a), placeOf(b), agingMs) || byAge(a, b);

const placeOf = ({ place, priority, submittedAtMs: fromMs, seq }: ReadyStep): Place =>
  place ?? { priority, fromMs, seq, nth: [] };

/** Old first: by the moment of submission, then by its place in the log. */
export const byAge: Compare = (a, b) =>
  a.submittedAtMs - b.submittedAtMs ||
  a.seq - b.seq ||
  (a.stepId < b.stepId ? -1 : a.stepId > b.stepId ? 1 : 0);

/** By the line in which starts are promised: age, but for tasks that gave their promise up. */
export const byLine: Compare = (a, b) =>
  a.line === null && b.line === null
    ? byAge(a, b)
    : (a.line?.sinceMs ?? a.submittedAtMs) - (b.line?.sinceMs ?? b.submittedAtMs) ||
      (a.line?.seq ?? a.seq) - (b.line?.seq ?? b.seq) ||
      byAge(a, b);

/** The nearest deadline first, of equal ones the higher priority; then what has none that is near. */
export const byDeadline: Compare = (a, b) => {
  if (a.urgentByMs === b.urgentByMs) return a.urgentByMs === null ? 0 : b.priority - a.priority;
  if (a.urgentByMs === null) return 1;
  return b.urgentByMs === null ? -1 : a.urgentByMs - b.urgentByMs;
};
