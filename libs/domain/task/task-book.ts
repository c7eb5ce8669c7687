import type { ScheduleId, TaskId, WorkflowId, WorkspaceId } from '../ids.js';
import type { Pace } from '../policy/pace.js';
import { DEFAULT_POLICY, type PolicySettings } from '../policy/settings.js';
import type { Schedule } from '../schedule/schedule.js';
import {
  applyToSchedules,
  isScheduleEvent,
  scheduledTaskBegan,
  scheduledTaskEnded,
} from '../schedule/schedule-state.js';
import { msOf } from '../time.js';
import { withChildEnded } from './child-state.js';
import { closeIn, countEnded, openIn, type Service } from './service.js';
import type { TaskEvent, TaskSubmitted, TemplateRef } from './events.js';
import { countStart, type PredictionError } from './prediction-errors.js';
import { countAttempt, type ModelsAtWork } from './models-at-work.js';
import type { Pause, PauseScope } from './pauses.js';
import { requirementKey } from './requirement.js';
import type { SchedulerEvent, WorkflowSubmitted } from './scheduler-events.js';
import { evolve, type ClosedTask, type OpenTask } from './task.js';
import { taskBegan, taskEnded, workflowAccepted, type WorkflowState } from './workflow-state.js';

/**
 * Everything that the scheduler decides from: the fold of the whole `TASKS` stream.
 *
 * It is the only mutable state of the domain, because copying maps of 100,000 tasks for each event is not an option;
 * only `applyToBook` changes it. Maps keep the order of the log, so that two folds of one log are equal byte for byte.
 */
export type TaskBook = WorkflowState & {
  /** Sequence of the last event folded. */
  seq: number;
  logId: string;
  /** How far the request streams are answered: everything up to here has had its effect. */
  readonly positions: { commands: number; reports: number };
  /** What starts nothing new, in the order in which it was paused first. */
  readonly pauses: Map<PauseScope, Pause>;
  readonly templates: Map<string, Readonly<Record<string, unknown>>>;
  /** By name: the version that was registered last. */
  readonly latestVersions: Map<string, string>;
  readonly schedules: Map<ScheduleId, Schedule>;
  readonly open: Map<TaskId, OpenTask>;
  readonly closed: Map<TaskId, ClosedTask['status']>;
  readonly idempotency: Map<string, IdempotencyRecord>;
  policy: PolicySettings;
  /** What attempts take, by `requirementKey`. */
  readonly paces: Map<string, Pace>;
  readonly services: Map<WorkspaceId, Service>;
  readonly atWork: ModelsAtWork;
  /** Where artifacts were removed last; 0 where none were. */
  artifactsRemovedSeq: number;
  /** How far off the predictions of the last starts were. */
  readonly predictionErrors: PredictionError[];
};

/** What the first request with a key made. */
export type IdempotencyRecord = Made & { readonly requestHash: string; readonly at: string };
type Made =
  | { readonly taskId: TaskId; readonly workflowId?: never }
  | { readonly taskId?: never; readonly workflowId: WorkflowId };

/** How long a repeated key finds its first task. A day, as payment APIs have it: longer than any client retries. */
export const IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000;

export const emptyBook = (): TaskBook => ({
  seq: 0,
  logId: '',
  positions: { commands: 0, reports: 0 },
  pauses: new Map(),
  templates: new Map(),
  latestVersions: new Map(),
  schedules: new Map(),
  open: new Map(),
  closed: new Map(),
  idempotency: new Map(),
  policy: DEFAULT_POLICY,
  paces: new Map(),
  services: new Map(),
  atWork: new Map(),
  artifactsRemovedSeq: 0,
  predictionErrors: [],
  workflows: new Map(),
  results: new Map(),
});

/** An event with its place in the log. `causationId` is `cmd:<seq>` or `rpt:<seq>` when a request caused it. */
export type TaskRecord = {
  readonly seq: number;
  readonly causationId?: string;
  readonly event: TaskEvent | SchedulerEvent;
};

export const applyToBook = (book: TaskBook, record: TaskRecord): void => {
  const { event, seq } = record;
  book.seq = seq;
  if (record.causationId !== undefined) advance(book, record.causationId);
  if (isScheduleEvent(event)) return applyToSchedules(book.schedules, event);
  switch (event.type) {
    case 'log.started':
      book.logId = event.logId;
      return;
    case 'leader.elected':
    case 'commands.refused':
    case 'artifact.uploaded':
      return;
    case 'policy.changed':
      // Settings that were none yet have their defaults.
      book.policy = { ...DEFAULT_POLICY, ...event.policy };
      return;
    case 'scheduling.paused': {
      const { scope, reason, by, at } = event;
      book.pauses.set(scope, { scope, reason, by, since: at });
      return;
    }
    case 'scheduling.resumed':
      book.pauses.delete(event.scope);
      return;
    case 'artifact.removed':
      book.artifactsRemovedSeq = seq;
      return;
    case 'template.registered':
      book.templates.set(templateKey(event.template), event.definition);
      book.latestVersions.set(event.template.name, event.template.version);
      return;
    case 'workflow.submitted':
      remember(book, event, { workflowId: event.workflowId });
      workflowAccepted(book, event);
      return;
    case 'task.submitted':
      remember(book, event, { taskId: event.taskId });
      if (event.workflow) taskBegan(book, event.workflow);
      if (event.schedule) scheduledTaskBegan(book.schedules, event.schedule, event.taskId);
      break;
    default:
      break;
  }
  const before = book.open.get(event.taskId);
  const task = evolve(before, event, seq);
  if (before) countEnded(book, before, task, event);
  if (event.type === 'step.dispatched') {
    countAttempt(book.atWork, event.lease.serverId, requirementKey(event.requirement), 1);
    countStart(book.predictionErrors, event);
  }
  if (event.type === 'task.submitted') openIn(book, event.workspace);
  if (task.status === 'open') {
    book.open.set(task.id, task);
    return;
  }
  book.open.delete(event.taskId);
  book.closed.set(event.taskId, task.status);
  if (before === undefined) return;
  closeIn(book, before.workspace);
  const parent = before.parent && book.open.get(before.parent.taskId);
  if (parent && before.parent) book.open.set(parent.id, withChildEnded(parent, before.parent, event));
  if (before.schedule) scheduledTaskEnded(book.schedules, before.schedule, before.id);
  const result = event.type === 'task.completed' ? event.result : null;
  if (before.workflow) taskEnded(book, before.id, before.workflow, result);
};

export const templateKey = (template: TemplateRef): string => `${template.name}@${template.version}`;

export const idempotencyKey = (workspace: string, key: string): string => `${workspace}/${key}`;

const remember = (
  book: TaskBook,
  { workspace, idempotency, submittedAt: at }: TaskSubmitted | WorkflowSubmitted,
  made: Made,
): void => {
  if (idempotency === undefined) return;
  const key = idempotencyKey(workspace, idempotency.key);
  // A Map keeps an old key's place: out and in again, so that insertion order is log order and the oldest are first.
  book.idempotency.delete(key);
  book.idempotency.set(key, { ...made, requestHash: idempotency.requestHash, at });
  const limit = msOf(at) - IDEMPOTENCY_KEPT_MS;
  for (const [old, record] of book.idempotency) {
    if (msOf(record.at) >= limit) break;
    book.idempotency.delete(old);
  }
};

const advance = (book: TaskBook, causationId: string): void => {
  const [stream, seq] = causationId.split(':');
  if (stream === 'cmd') book.positions.commands = Math.max(book.positions.commands, Number(seq));
  if (stream === 'rpt') book.positions.reports = Math.max(book.positions.reports, Number(seq));
};
