import type { WaitingView } from '#libs/contracts/queries.js';
import type { StepWaiting, Waited } from '#libs/domain/task/waiting-events.js';
import { json, withStep, type TaskDoc } from './task-doc.js';

/** A question may be as long as a book; who is to answer is shown all of it. */
const MESSAGE_SHOWN_CHARS = 500;

/** What a task shows of a step that waits. */
export const waitingView = ({ waiting, at }: StepWaiting, seq: number): WaitingView => {
  const common = { seq, since: at, reminders: 0, escalated_at: null, answered_by: null, answered_at: null };
  if (waiting.kind === 'delay')
    return { kind: 'delay', message: null, assignees: [], choices: null, until: waiting.until, ...common };
  return {
    kind: waiting.kind,
    message: waiting.message.slice(0, MESSAGE_SHOWN_CHARS),
    assignees: waiting.assignees,
    choices: waiting.kind === 'approval' ? waiting.choices : null,
    until: waiting.timeout?.at ?? null,
    ...common,
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

/** The step of a waiting that is over. */
export const afterWaiting = (doc: TaskDoc, waited: Waited | undefined): TaskDoc => {
  if (waited === undefined) return doc;
  return withStep(
    doc,
    waited.stepId,
    waited.failure === undefined
      ? { status: 'completed', output: json(waited.output ?? null) }
      : { status: 'failed' },
  );
};
