import type { WaitingView } from '#libs/contracts/queries.js';
import type { StepWaiting, Waited } from '#libs/domain/task/waiting-events.js';
import { itemRefOf } from '#libs/domain/task/items.js';
import { itemWaited } from './item-view.projection.js';
import { json, withStep, type TaskDoc } from './task-doc.js';

/** A question may be as long as a book; who is to answer is shown all of it. */
const MESSAGE_SHOWN_CHARS = 500;

/** What a task shows of a step that waits. */
export const waitingView = ({ waiting, at }: StepWaiting, seq: number): WaitingView => {
  const common = { seq, since: at, reminders: 0, escalated_at: null, answered_by: null, answered_at: null };
  const nobody = { message: null, assignees: [], choices: null };
  if (waiting.kind === 'delay')
    return { kind: 'delay', ...nobody, until: waiting.until, ...common, task_id: null };
  if (waiting.kind === 'task') {
    const until = waiting.timeoutAt ?? null;
    return { kind: 'task', ...nobody, until, ...common, task_id: waiting.childTaskId };
  }
  return {
    kind: waiting.kind,
    message: waiting.message.slice(0, MESSAGE_SHOWN_CHARS),
    assignees: waiting.assignees,
    choices: waiting.kind === 'approval' ? waiting.choices : null,
    until: waiting.timeout?.at ?? null,
    ...common,
    task_id: null,
  };
};

/** Something has happened to a waiting. */
export const waitingChanged = (
  doc: TaskDoc,
  stepId: string,
  change: Partial<WaitingView> | ((waiting: WaitingView) => Partial<WaitingView>),
): TaskDoc => {
  const known = doc.steps.find((step) => step.stepId === stepId)?.waiting ?? null;
  if (known === null) return doc;
  const waiting = JSON.parse(known) as WaitingView;
  const changed = typeof change === 'function' ? change(waiting) : change;
  return withStep(doc, stepId, { waiting: json({ ...waiting, ...changed }) });
};

/** The step of a waiting that is over, or is tried again. */
export const afterWaiting = (doc: TaskDoc, waited: Waited | undefined, at: string): TaskDoc => {
  if (waited === undefined) return doc;
  const { stepId, failure } = waited;
  const item = itemRefOf(stepId);
  if (failure === undefined) {
    const output = json(waited.output ?? null);
    return item
      ? itemWaited(doc, item, { status: 'completed', output, endedAt: at })
      : withStep(doc, stepId, { status: 'completed', output });
  }
  const status = waited.retryAt === undefined ? 'failed' : 'pending';
  if (item === null) return withStep(doc, stepId, { status });
  const endedAt = status === 'failed' ? { endedAt: at } : {};
  return itemWaited(doc, item, { status, error: json(failure), ...endedAt });
};

/** A task that fails while others run names it again at its end, and it counts once. */
export const waitedInVain = (doc: TaskDoc, waited: Waited | undefined, at: string): TaskDoc => {
  const item = waited && itemRefOf(waited.stepId);
  const isFailed = doc.steps.some(({ stepId, status }) => stepId === item?.of && status === 'failed');
  if (!item || isFailed) return item ? doc : afterWaiting(doc, waited, at);
  return withStep(afterWaiting(doc, waited, at), item.of, { status: 'failed' });
};
