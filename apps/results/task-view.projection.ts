// The reader's tour: previous: apps/executor/run-attempt.ts, whose report became the facts that arrive here; next: the
// answer. The client reads what this file made of them, by way of query/task.reader.ts and the gateway.
import type { MovedView, TaskStatus } from '#libs/contracts/queries.js';
import type { TaskCompleted, TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { TaskMoved } from '#libs/domain/task/move-events.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import { itemRefOf } from '#libs/domain/task/items.js';
import { toldApart } from '#libs/domain/task/told-apart.js';
import { blamed, failed, stopped, succeeded } from './attempt-view.projection.js';
import { closed, finishing, impossible } from './end-view.projection.js';
import { itemBegun, itemsOf, itemWaits } from './item-view.projection.js';
import { OF_NO_TASK } from './no-task-events.js';
import { afterWaiting, waitedInVain, waitingChanged, waitingView } from './waiting-view.js';
import {
  isOver,
  json,
  type Json,
  withState,
  withStep,
  type AttemptState,
  type NewTask,
  type StepState,
  type TaskDoc,
} from './task-doc.js';

/** What a batch of events changes. Pure data: `database/task.writer.ts` turns it into one transaction. */
export type TaskChanges = {
  /** Tasks as they are after the batch, by id, for those that it changed. */
  readonly docs: ReadonlyMap<string, TaskDoc>;
  /** As they were before; absent for those that the batch submitted. */
  readonly before: ReadonlyMap<string, TaskDoc>;
  readonly submitted: ReadonlyMap<string, NewTask>;
  /** Events that this projection does not know, or that fit no task. They change nothing. */
  readonly ignored: readonly { readonly seq: number; readonly type: string; readonly why: string }[];
};

/** Highest version of an event's data that is understood here. Within a version data only grows. */
const DATA_VERSION_MAX = 1;

/**
 * Folds a batch in memory, so that a task that was submitted, run and completed within it costs one row. `known` holds
 * the tasks of `taskIdsOf(events)` that exist. An event that a task already includes changes nothing: reading twice is harmless.
 */
export const foldTaskEvents = (
  events: readonly StoredEvent[],
  known: ReadonlyMap<string, TaskDoc>,
): TaskChanges => {
  const docs = new Map<string, TaskDoc>();
  const before = new Map<string, TaskDoc>();
  const submitted = new Map<string, NewTask>();
  const ignored: { seq: number; type: string; why: string }[] = [];
  for (const stored of events) {
    const { seq, type } = stored;
    if (!isTaskEvent(stored)) {
      if (!OF_NO_TASK.has(type))
        ignored.push({ seq, type, why: `unknown type or version ${stored.version}` });
      continue;
    }
    const event = typedEvent<TaskEvent>(stored);
    const old = known.get(event.taskId);
    const doc = docs.get(event.taskId) ?? old;
    if (doc && seq <= doc.state.lastSeq) continue;
    if (event.type === 'task.submitted' && !doc) {
      docs.set(event.taskId, openedBy(event, seq));
      submitted.set(event.taskId, factsOf(event));
    } else if (event.type !== 'task.submitted' && doc && !isOver(doc.state.status)) {
      docs.set(event.taskId, advanced(doc, event, seq));
      if (old) before.set(event.taskId, old);
    } else {
      ignored.push({
        seq,
        type,
        why: `task ${event.taskId} ${doc ? `is ${doc.state.status}` : 'was never submitted'}`,
      });
    }
  }
  return { docs, before, submitted, ignored };
};

/** The tasks that a batch is about. */
export const taskIdsOf = (events: readonly StoredEvent[]): ReadonlySet<string> => {
  const ids = new Set<string>();
  for (const event of events) if (isTaskEvent(event)) ids.add(typedEvent<TaskEvent>(event).taskId);
  return ids;
};

type Later = Exclude<TaskEvent, TaskSubmitted>;
type Handlers = {
  readonly [T in Later['type']]: (doc: TaskDoc, event: Extract<Later, { type: T }>, seq: number) => TaskDoc;
};

const handlers: Handlers = {
  'task.priority-changed': (doc, { priority }) => withState(doc, { priority, moved: null }),
  'task.moved': (doc, event) => withState(doc, { moved: json(movedView(event)) }),
  'step.expanded': (doc, { stepId, items }) =>
    withStep(doc, stepId, { status: items === 0 ? 'completed' : 'running', items: itemsOf(items) }),
  'step.dispatched': (doc, event, seq) => {
    const attempt: AttemptState = {
      seq,
      stepId: event.stepId,
      attempt: event.attempt,
      serverId: event.lease.serverId,
      leaseId: event.lease.leaseId,
      model: event.requirement.kind === 'model' ? event.requirement.profile.model : null,
      dispatchedAt: event.at,
      startedAt: null,
      endedAt: null,
      outcome: 'running',
      error: null,
      usage: null,
    };
    const begun = {
      ...withState(doc, { startedAt: doc.state.startedAt ?? event.at }),
      attempts: [...doc.attempts, attempt],
    };
    const item = itemRefOf(event.stepId);
    return item ? itemBegun(begun, item, event) : withStep(begun, event.stepId, { status: 'running' });
  },
  'step.completed': (doc, { step }) => succeeded(doc, step),
  'step.failed': (doc, { step }) => failed(doc, step, 'pending'),
  'step.stopped': (doc, { step, at }) => stopped(doc, [step], at),
  'step.admitted': (doc) => doc,
  'step.skipped': (doc, { stepId }) => withStep(doc, stepId, { status: 'skipped' }),
  'step.abandoned': (doc, { step }) => failed(doc, step),
  'step.impossible': (doc, event) => impossible(doc, event),
  'step.waiting': (doc, event, seq) => {
    const { stepId, waiting, at } = event;
    const item = itemRefOf(stepId);
    const begun =
      item && waiting.kind === 'task'
        ? itemWaits(doc, item, waiting.attempt, at)
        : withStep(doc, stepId, { status: 'waiting', waiting: json(waitingView(event, seq)) });
    return withState(begun, { startedAt: doc.state.startedAt ?? at });
  },
  'step.reminded': (doc, { stepId, nth }) => waitingChanged(doc, stepId, { reminders: nth }),
  'step.escalated': (doc, { stepId, to, at }) =>
    waitingChanged(doc, stepId, (waiting) => ({
      assignees: [...waiting.assignees, ...to],
      escalated_at: at,
    })),
  'step.answered': (doc, { stepId, answer: { by }, at }) =>
    waitingChanged(doc, stepId, { answered_by: by, answered_at: at }),
  'step.waited': (doc, { waited, at }) => afterWaiting(doc, waited, at),
  'task.cancel-requested': (doc, { at }) =>
    withState(doc, { cancelRequestedAt: doc.state.cancelRequestedAt ?? at }),
  'task.failing': (doc, { step, waited, failure, at }) =>
    withState(step ? blamed(doc, step) : waitedInVain(doc, waited, at), { error: json(failure) }),
  'task.finishing': (doc, event, seq) => finishing(each(doc, toldApart(event).slice(0, -1), seq), event),
  'task.completed': (doc, event) =>
    ended(lastStepOver(doc, event), 'completed', event.at, { result: json(event.result ?? null) }),
  'task.failed': (doc, event, seq) => {
    if (event.last) return each(doc, toldApart(event), seq);
    const { step, waited, failure, at } = event;
    const after = stopped(step ? blamed(doc, step) : waitedInVain(doc, waited, at), event.stopped, at);
    return ended(after, 'failed', at, { error: json(failure) });
  },
  'task.cancelled': (doc, event, seq) => {
    if (event.last) return each(doc, toldApart(event), seq);
    const { skipped, at } = event;
    const after = stopped(doc, event.stopped, at);
    return ended(after, 'cancelled', at, skipped ? { error: json(skipped) } : {});
  },
};

const isTaskEvent = (event: StoredEvent): boolean =>
  (event.type === 'task.submitted' || Object.hasOwn(handlers, event.type)) &&
  event.version <= DATA_VERSION_MAX;

const handled = (doc: TaskDoc, event: TaskEvent, seq: number): TaskDoc => {
  const handle = handlers[(event as Later).type] as (doc: TaskDoc, event: TaskEvent, seq: number) => TaskDoc;
  return handle(doc, event, seq);
};

const each = (doc: TaskDoc, events: readonly TaskEvent[], seq: number): TaskDoc =>
  events.reduce((before, event) => handled(before, event, seq), doc);

const advanced = (doc: TaskDoc, event: Later, seq: number): TaskDoc => {
  const next = handled(doc, event, seq);
  const status = isOver(next.state.status) ? next.state.status : statusOf(next);
  return withState(next, { status, lastSeq: seq });
};

/** `running` once a step has run to its end or while one runs, `waiting` while none runs and one waits; a first step that waits for another try is queued again. */
const statusOf = ({ steps, state }: TaskDoc): TaskStatus => {
  if (state.finishing !== null) return 'running';
  const has = (...any: readonly StepState['status'][]): boolean =>
    steps.some(({ status }) => any.includes(status));
  if (!has('running') && has('waiting')) return 'waiting';
  return has('running', 'completed', 'failed') ? 'running' : 'queued';
};

const openedBy = (event: TaskSubmitted, seq: number): TaskDoc => ({
  seq,
  id: event.taskId,
  workspace: event.workspace,
  templateName: event.template.name,
  state: {
    status: 'queued',
    priority: event.priority,
    moved: null,
    finishing: null,
    startedAt: null,
    endedAt: null,
    cancelRequestedAt: null,
    result: null,
    error: null,
    lastSeq: seq,
  },
  steps: event.steps.map(({ id, atEnd }, position): StepState => {
    const kept = event.kept?.find(({ stepId }) => stepId === id);
    const fresh = {
      position,
      stepId: id,
      items: null,
      waiting: null,
      atEnd: atEnd ? json({ error: null }) : null,
    };
    if (kept === undefined) return { ...fresh, status: 'pending', output: null };
    const status = kept.skipped ? 'skipped' : 'kept';
    return { ...fresh, status, output: json(kept.output ?? null) };
  }),
  attempts: [],
  items: [],
});

const factsOf = (event: TaskSubmitted): NewTask => ({
  id: event.taskId,
  templateVersion: event.template.version,
  parameters: json(event.parameters),
  dependsOn: json(event.dependsOn),
  labels: json(event.labels),
  createdAt: event.submittedAt,
  runAt: event.runAt ?? null,
  deadlineAt: event.deadlineAt ?? null,
  queueTtlMs: event.queueTtlMs ?? null,
  workflowId: event.workflow?.workflowId ?? null,
  rerunOf: event.rerunOf ?? null,
  parentTaskId: event.parent?.taskId ?? null,
  parentStepId: event.parent?.stepId ?? null,
  labelPairs: Object.entries(event.labels),
  steps: event.steps.map(({ stepType, needs }) => ({ stepType, needs: json(needs) })),
});

const movedView = ({ to, reason, by, at }: TaskMoved): MovedView => ({
  to: to.kind,
  task: 'taskId' in to ? to.taskId : null,
  reason,
  by,
  at,
});

const lastStepOver = (
  doc: TaskDoc,
  { step, abandoned, waited, skipped, empty, impossible: early, at }: TaskCompleted,
): TaskDoc => {
  if (step) return succeeded(doc, step);
  if (waited) return afterWaiting(doc, waited, at);
  if (abandoned) return failed(doc, abandoned);
  if (early) return impossible(doc, early);
  if (empty !== undefined) return withStep(doc, empty, { status: 'completed', items: itemsOf(0) });
  return withStep(doc, skipped, { status: 'skipped' });
};

/** A task that is over leaves no step open: what had not run will not run. */
const ended = (
  doc: TaskDoc,
  status: TaskStatus,
  at: string,
  outcome: { readonly result?: Json; readonly error?: Json },
): TaskDoc => ({
  ...withState(doc, { ...outcome, status, endedAt: at, finishing: null }),
  steps: doc.steps.map(closed),
});
