import type { StepId, TaskId, WorkspaceId } from '../ids.js';
import type { Requirement } from '../task/requirement.js';
import type { Line, Place } from './place.js';

/** A step that could run now, if there were a slot for it. */
export type ReadyStep = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  /** The attempt that would be made. */
  readonly attempt: number;
  readonly workspace: WorkspaceId;
  /** Its task's, or the highest of what waits for that. */
  readonly priority: number;
  /** Sequence of the task's submission. */
  readonly seq: number;
  /** When its task was submitted, or when it was to run where that is later: its waiting counts from here. */
  readonly submittedAtMs: number;
  /** Where a person has put its task; null where priority and age say its place. */
  readonly place: Place | null;
  /** Its task's turn to be promised a start, where that is not its submission. */
  readonly line: Line | null;
  /** Its deadline, once that is so near that the step has to go first; null before, and when it cannot be kept any more. */
  readonly urgentByMs: number | null;
  readonly requirement: Requirement;
};
