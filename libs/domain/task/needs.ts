import type { TaskId } from '../ids.js';
import type { TaskSubmitted } from './events.js';
import type { ClosedTask, OpenTask } from './task.js';
import type { Need, OnFailure } from './workflow.js';

/** How tasks ended, by id. */
type Closed = ReadonlyMap<TaskId, ClosedTask['status']>;

const isMet = (ended: ClosedTask['status'] | undefined, onFailure: OnFailure): boolean =>
  ended === 'completed' || (ended !== undefined && onFailure === 'continue');

/**
 * Whether no other task keeps this one from running. What its parameters read has to be over too: behind an edge that continues, a
 * task further up may still run.
 */
export const needsMet = ({ dependsOn, workflow }: OpenTask, closed: Closed): boolean =>
  workflow === undefined
    ? dependsOn.every((id) => isMet(closed.get(id), 'fail'))
    : workflow.needs.every(({ taskId, onFailure }) => isMet(closed.get(taskId), onFailure)) &&
      workflow.uses.every(({ taskId }) => closed.has(taskId));

/** The tasks that keep it from running; those of its workflow have names. */
export const unmetNeeds = (
  { dependsOn, workflow }: OpenTask,
  closed: Closed,
): readonly { readonly taskId: TaskId; readonly name: string | null }[] => {
  if (workflow === undefined)
    return dependsOn.filter((id) => !isMet(closed.get(id), 'fail')).map((taskId) => ({ taskId, name: null }));
  const unmet = new Map<TaskId, string>();
  for (const { taskId, task, onFailure } of workflow.needs)
    if (!isMet(closed.get(taskId), onFailure)) unmet.set(taskId, task);
  for (const { taskId, task } of workflow.uses) if (!closed.has(taskId)) unmet.set(taskId, task);
  return [...unmet].map(([taskId, name]) => ({ taskId, name }));
};

/** Tasks whose end may be what this one waits for. */
export const awaitedTasks = ({ dependsOn, workflow }: OpenTask): readonly TaskId[] =>
  workflow === undefined ? dependsOn : [...dependsOn, ...workflow.uses.map(({ taskId }) => taskId)];

/** What the end of another task means for this one: an edge of its workflow, a plain dependency, or nothing but an end. */
export const needOf = ({ dependsOn, workflow }: OpenTask, taskId: TaskId): Need | 'plain' | null => {
  if (workflow) return workflow.needs.find((need) => need.taskId === taskId) ?? null;
  return dependsOn.includes(taskId) ? 'plain' : null;
};

/** The tasks that must have completed for another run of it, outside of its workflow: an edge that goes on asks nothing there. */
export const neededOutside = ({
  dependsOn,
  workflow,
}: Pick<TaskSubmitted, 'dependsOn' | 'workflow'>): readonly TaskId[] =>
  workflow === undefined
    ? dependsOn
    : workflow.needs.filter(({ onFailure }) => onFailure !== 'continue').map(({ taskId }) => taskId);
