import type { LeaseId, StepId } from '#libs/domain/ids.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import { toldApart } from '#libs/domain/task/told-apart.js';
import { FILE_MAKING_TYPES } from '#libs/template/file-step-types.js';
import { StepError } from '../step-error.js';

/** What the log says of a task, as far as its files need that. */
export type TaskFiles = {
  readonly submitted: TaskSubmitted | null;
  /** By step, the attempt that counted. */
  readonly completed: ReadonlyMap<StepId, LeaseId>;
  readonly over: boolean;
};

export const taskFilesOf = (events: readonly TaskEvent[]): TaskFiles => {
  let submitted: TaskSubmitted | null = null;
  let over = false;
  const completed = new Map<StepId, LeaseId>();
  for (const event of events.flatMap(toldApart)) {
    if (event.type === 'task.submitted') submitted = event;
    if (event.type === 'step.completed') completed.set(event.step.stepId, event.step.leaseId);
    if (event.type === 'task.completed' || event.type === 'task.failed' || event.type === 'task.cancelled')
      over = true;
  }
  return { submitted, completed, over };
};

/**
 * Throws when a step that this one needs has made files that are not here. `madeHere` says whether an attempt ran to its end in this
 * work folder.
 */
export const refuseMissingFiles = async (
  { submitted, completed }: TaskFiles,
  stepId: StepId,
  madeHere: (leaseId: LeaseId) => Promise<boolean>,
): Promise<void> => {
  if (submitted === null) return;
  const kept = new Set(submitted.kept?.map((step) => step.stepId));
  for (const { id } of makersBefore(submitted, stepId)) {
    const isAtEnd = submitted.steps.some((step) => step.id === stepId && step.atEnd);
    // At the end of a task, whatever was not made is not there.
    if (isAtEnd && !completed.has(id)) continue;
    if (kept.has(id))
      throw new StepError(
        'WORKSPACE_GONE',
        `Step '${stepId}' needs files of step '${id}', which ran in task ${submitted.rerunOf ?? 'before'}; its workspace was removed when that was over. Run again from '${id}'.`,
      );
    const leaseId = completed.get(id);
    if (leaseId === undefined || (await madeHere(leaseId))) continue;
    throw new StepError(
      'WORKSPACE_ELSEWHERE',
      `Step '${stepId}' needs files of step '${id}', which ran at another executor. Steps share a workspace where one executor runs them, or where executors share ORCHESTRA_WORK_DIR.`,
    );
  }
};

/** Steps that this one needs, directly or through others, and that may have made files; one at the end of its task needs all others. */
const makersBefore = ({ steps }: TaskSubmitted, stepId: StepId): TaskSubmitted['steps'] => {
  const isAtEnd = steps.some(({ id, atEnd }) => id === stepId && atEnd);
  const needed = new Set<StepId>(isAtEnd ? steps.flatMap(({ id, atEnd }) => (atEnd ? [] : [id])) : []);
  const open = [stepId];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const step = steps.find((candidate) => candidate.id === id);
    for (const need of step?.needs ?? []) {
      if (!needed.has(need)) open.push(need);
      needed.add(need);
    }
  }
  return steps.filter(({ id, stepType }) => needed.has(id) && FILE_MAKING_TYPES.has(stepType));
};
