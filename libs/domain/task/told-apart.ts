import type { TaskId } from '../ids.js';
import type { LastStep, MainEnd, StepSuccess, TaskEvent } from './events.js';
import type { SchedulerEvent } from './scheduler-events.js';

/**
 * An event that ends a step and says what that means for its task, as one event for each: first how the step was over, as if the task
 * went on, then the rest. For whoever only counts attempts and steps. Any other event, `task.completed` included, is itself.
 */
export const toldApart = (event: TaskEvent): readonly TaskEvent[] => {
  switch (event.type) {
    case 'task.finishing': {
      const { taskId, end, at } = event;
      return [...endToldApart(taskId, end, at), { ...event, end: bare(end) }];
    }
    case 'task.failed':
    case 'task.cancelled': {
      const { last, ...rest } = event;
      return last ? [...lastToldApart(event.taskId, last, event.at), rest] : [event];
    }
    default:
      return [event];
  }
};

const endToldApart = (taskId: TaskId, end: MainEnd, at: string): readonly TaskEvent[] => {
  if (end.status === 'completed') return end.last ? lastToldApart(taskId, end.last, at) : [];
  const stopped = end.stopped.map((step): TaskEvent => ({ type: 'step.stopped', taskId, step, at }));
  if (end.status === 'cancelled') return stopped;
  const { failure, step, waited } = end;
  const blamed = { ...(step ? { step } : {}), ...(waited ? { waited } : {}) };
  return [{ type: 'task.failing', taskId, failure, ...blamed, at }, ...stopped];
};

const bare = (end: MainEnd): MainEnd => {
  if (end.status === 'completed') return { status: 'completed', result: end.result };
  if (end.status === 'cancelled') return { ...end, stopped: [] };
  return { status: 'failed', failure: end.failure, stopped: [] };
};

const lastToldApart = (taskId: TaskId, last: LastStep, at: string): readonly TaskEvent[] => {
  if (last.step) return [{ type: 'step.completed', taskId, step: last.step }];
  if (last.abandoned) return [{ type: 'step.abandoned', taskId, step: last.abandoned }];
  if (last.waited) return [{ type: 'step.waited', taskId, waited: last.waited, at }];
  if (last.impossible) return [{ type: 'step.impossible', taskId, ...last.impossible, at }];
  return last.empty === undefined
    ? [{ type: 'step.skipped', taskId, stepId: last.skipped, at }]
    : [{ type: 'step.expanded', taskId, stepId: last.empty, items: 0, at }];
};

/** The steps that it says have succeeded, with what they have stored. */
export const successesIn = (event: TaskEvent): readonly StepSuccess[] =>
  toldApart(event).flatMap((one) =>
    (one.type === 'step.completed' || one.type === 'task.completed') && one.step ? [one.step] : [],
  );

/** The same of an event of the stream that may be about something else than the progress of a task: then it is itself. */
export const factsIn = <Fact extends TaskEvent | SchedulerEvent>(
  event: Fact,
): readonly (Fact | TaskEvent)[] => (isOfTask(event) ? toldApart(event) : [event]);

export const isOfTask = (event: TaskEvent | SchedulerEvent): event is TaskEvent =>
  'taskId' in event && !('scheduleId' in event) && event.type !== 'artifact.removed';
