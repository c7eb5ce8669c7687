import type { TaskEvent } from './events.js';
import type { SchedulerEvent } from './scheduler-events.js';

/** Every type of the `TASKS` stream, for folds that must not pass over one they do not know. */
export const TASK_STREAM_TYPES: ReadonlySet<string> = new Set<(TaskEvent | SchedulerEvent)['type']>([
  'task.submitted',
  'task.priority-changed',
  'step.dispatched',
  'step.completed',
  'step.failed',
  'step.stopped',
  'task.cancel-requested',
  'task.failing',
  'task.completed',
  'task.failed',
  'task.cancelled',
  'workflow.submitted',
  'template.registered',
  'commands.refused',
  'policy.changed',
  'scheduling.paused',
  'scheduling.resumed',
  'schedule.created',
  'schedule.changed',
  'schedule.removed',
  'schedule.paused',
  'schedule.resumed',
  'schedule.fired',
  'schedule.queued',
  'schedule.skipped',
  'schedule.failed',
  'leader.elected',
  'log.started',
]);
