import type { LiveMessage } from '#libs/contracts/reports.js';
import type { ArtifactEvent } from '#libs/domain/task/artifact-events.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import type { ImpossibleStep } from '#libs/domain/task/step-decisions.js';
import { waitedText, waitingText } from './waiting-text.js';
import { durationText } from './task-text.js';

type Progress = Extract<LiveMessage, { readonly kind: 'progress' }>;
type Item = { readonly time?: string; readonly data?: unknown };

/** One line of a task's history, as the stream and the history give it. */
export const eventText = (type: string, item: unknown): string => {
  if (type === 'progress') return `  ${progressText(item as Progress)}`;
  const { time = '', data } = (item ?? {}) as Item;
  const event = { ...(data as object), type } as TaskEvent | SchedulerEvent;
  const detail = isAboutArtifact(event) ? artifactText(event) : detailOf(event);
  return `${time.slice(11, 23)}  ${type}${detail === '' ? '' : `  ${detail}`}`;
};

const isAboutArtifact = (event: TaskEvent | SchedulerEvent): event is ArtifactEvent =>
  event.type === 'artifact.uploaded' || event.type === 'artifact.removed';

const artifactText = (event: ArtifactEvent): string =>
  event.type === 'artifact.uploaded'
    ? `${event.uploadId}/${event.artifact.name}`
    : `${event.artifact.name}: ${event.reason}`;

const progressText = ({ message, completed, total }: Progress): string =>
  completed === undefined || total === undefined || total === 0
    ? message
    : `${message} ${Math.min(100, Math.max(0, Math.floor((completed / total) * 100)))} %`;

/** What the fact is about, in a few words; events of types that are not known here are named only. */
const detailOf = (event: TaskEvent | SchedulerEvent): string => {
  switch (event.type) {
    case 'task.submitted': {
      const after = event.dependsOn.length === 0 ? '' : `, after ${event.dependsOn.join(', ')}`;
      return `${event.template.name} (${event.template.version}), priority ${event.priority}${after}${timesText(event)}${rerunText(event)}`;
    }
    case 'scheduling.paused':
      return `${event.scope} by ${event.by}: ${event.reason}`;
    case 'scheduling.resumed':
      return `${event.scope} by ${event.by}`;
    case 'schedule.created':
    case 'schedule.changed':
    case 'schedule.removed':
    case 'schedule.resumed':
      return event.scheduleId;
    case 'schedule.paused':
      return `${event.scheduleId} by ${event.by}: ${event.reason}`;
    case 'schedule.fired':
      return `${event.scheduleId}, due at ${event.dueAt}${event.byHand ? ' by hand' : ''}: task ${event.task.taskId}`;
    case 'schedule.queued':
      return `${event.scheduleId}, due at ${event.dueAt}`;
    case 'schedule.skipped':
      return `${event.scheduleId}, ${event.more ? 'at least ' : ''}${event.count} until ${event.lastDueAt}: ${event.reason}`;
    case 'schedule.failed':
      return `${event.scheduleId}, due at ${event.dueAt}: ${event.failure.code}: ${event.failure.message}`;
    case 'task.priority-changed':
      return `to ${event.priority}`;
    case 'task.moved': {
      const { to, by, reason } = event;
      return `${'taskId' in to ? `${to.kind} ${to.taskId}` : `to the ${to.kind}`} by ${by}: ${reason}`;
    }
    case 'step.dispatched':
      return `${event.stepId} #${event.attempt} on ${event.lease.serverId}, lease token ${event.lease.token}`;
    case 'step.completed':
      return successText(event.step);
    case 'task.completed':
      return lastStepText(event);
    case 'step.admitted':
    case 'step.skipped':
      return event.stepId;
    case 'step.expanded':
      return `${event.stepId}: ${event.items} items`;
    case 'step.waiting':
    case 'step.reminded':
    case 'step.escalated':
    case 'step.answered':
      return waitingText(event);
    case 'step.waited':
      return waitedText(event.waited);
    case 'step.abandoned':
      return `${clauseOf(event.step)}; the task goes on`;
    case 'step.impossible':
      return impossibleText(event);
    case 'step.failed':
      return `${clauseOf(event.step)}, next attempt at ${event.retryAt.slice(11, 23)}`;
    case 'task.failing':
    case 'task.failed':
      return blameText(event);
    case 'task.finishing':
      return finishingText(event);
    case 'step.stopped':
      return `${event.step.stepId} #${event.step.attempt}, ${event.step.how}`;
    case 'task.cancel-requested':
      return `${event.reason}${event.force ? ', the steps at its end too' : ''}`;
    case 'task.cancelled':
      return `${[event.reason, ...event.stopped.map(({ stepId, how }) => `${stepId} ${how}`)].join(', ')}${atEndText(event)}`;
    default:
      return '';
  }
};

const lastStepText = (event: Extract<TaskEvent, { readonly type: 'task.completed' }>): string => {
  if (event.step) return successText(event.step);
  if (event.waited) return waitedText(event.waited);
  if (event.abandoned) return `without ${failureText(event.abandoned)}`;
  if (event.impossible) return impossibleText(event.impossible);
  return event.skipped === undefined ? `${event.empty}: no items` : `${event.skipped} left out`;
};

type Finishing = Extract<TaskEvent, { readonly type: 'task.finishing' }>;

const finishingText = ({ end, until }: Finishing): string => {
  const why = end.status === 'failed' ? ` (${end.failure.code}: ${end.failure.message})` : '';
  return `${end.status}${why}; the steps at its end run, until ${until.slice(11, 23)}`;
};

type Failing = Extract<TaskEvent, { readonly type: 'task.failing' | 'task.failed' }>;

const blameText = (event: Failing): string =>
  event.step === undefined
    ? `${event.failure.code}: ${event.failure.message}${atEndText(event)}`
    : failureText(event.step);

const impossibleText = ({ stepId, failure }: ImpossibleStep): string =>
  `${stepId} could not begin: ${failure.code}: ${failure.message}`;

/** Whether the steps at the end of a task were cut short. */
const atEndText = (event: TaskEvent): string =>
  !('cut' in event) || event.cut === undefined
    ? ''
    : `; ${event.cut === 'forced' ? 'its end was cut short, as asked' : 'its end was cut short by its time'}`;

const timesText = ({ runAt, deadlineAt }: Extract<TaskEvent, { readonly type: 'task.submitted' }>): string =>
  (runAt === undefined ? '' : `, not before ${runAt}`) +
  (deadlineAt === undefined ? '' : `, to be done by ${deadlineAt}`);

const rerunText = ({ rerunOf, kept = [] }: Extract<TaskEvent, { readonly type: 'task.submitted' }>): string =>
  (rerunOf === undefined ? '' : `, repeats ${rerunOf}`) +
  (kept.length === 0 ? '' : `, keeps ${kept.map(({ stepId }) => stepId).join(', ')}`);

type Done = Extract<TaskEvent, { readonly type: 'step.completed' }>['step'];

const successText = ({ stepId, attempt, startedAt, endedAt }: Done): string =>
  `${stepId} #${attempt} in ${durationText(Date.parse(endedAt) - Date.parse(startedAt))}`;

type Failed = Extract<TaskEvent, { readonly type: 'step.failed' }>['step'];

const failureText = ({ stepId, attempt, failure }: Failed): string =>
  `${stepId} #${attempt}: ${failure.code}: ${failure.message}`;

/** What is wrong, with more behind it. */
const clauseOf = (step: Failed): string => failureText(step).replace(/\.$/, '');
