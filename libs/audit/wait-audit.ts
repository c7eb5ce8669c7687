import type { StepId, TaskId } from '#libs/domain/ids.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import {
  asksPeople,
  type Waited,
  type WaitingEvent,
  type WaitingFor,
} from '#libs/domain/task/waiting-events.js';

/** What a waiting may have against it: the rule that an event breaks, and how. */
export type WaitProblem = readonly [rule: 'WAITED_WRONGLY' | 'ANSWERED_WRONGLY', text: string];

type Asking = {
  readonly seq: number;
  readonly waiting: WaitingFor;
  readonly since: string;
  reminders: number;
  askedAt: string;
  escalated: boolean;
  answered: boolean;
};

type Happens = Exclude<WaitingEvent, { readonly type: 'step.waiting' | 'step.waited' }>;

/** Whether what is told of steps that wait fits together: one answer, by a choice that there was, and nothing before its time. */
export class WaitAudit {
  readonly #asking = new Map<TaskId, Map<StepId, Asking>>();

  /** Whether the step waits now. */
  isWaiting(taskId: TaskId, stepId: StepId): boolean {
    return this.#asking.get(taskId)?.has(stepId) === true;
  }

  begins(event: Extract<WaitingEvent, { readonly type: 'step.waiting' }>, seq: number): void {
    const { taskId, stepId, waiting, at } = event;
    const ofTask = this.#asking.get(taskId) ?? new Map<StepId, Asking>();
    this.#asking.set(taskId, ofTask);
    ofTask.set(stepId, {
      seq,
      waiting,
      since: at,
      reminders: 0,
      askedAt: at,
      escalated: false,
      answered: false,
    });
  }

  /** The end of a task is the end of all that waits there. */
  forget(taskId: TaskId): void {
    this.#asking.delete(taskId);
  }

  happens(event: Happens): WaitProblem | null {
    const { taskId, stepId, waitingSeq } = event;
    const asking = this.#asking.get(taskId)?.get(stepId);
    const what = `${event.type} of step '${stepId}' of task ${taskId}`;
    if (asking?.seq !== waitingSeq)
      return event.type === 'step.answered'
        ? ['ANSWERED_WRONGLY', `${what}, which did not ask that`]
        : ['WAITED_WRONGLY', `${what}, which did not wait so`];
    const why = event.type === 'step.answered' ? answerProblem(asking, event) : timerProblem(asking, event);
    if (event.type === 'step.answered') asking.answered = true;
    if (event.type === 'step.escalated') asking.escalated = true;
    if (event.type === 'step.reminded') Object.assign(asking, { reminders: event.nth, askedAt: event.at });
    if (why === null) return null;
    return [event.type === 'step.answered' ? 'ANSWERED_WRONGLY' : 'WAITED_WRONGLY', `${what}: ${why}`];
  }

  /** `at`: when it was over. */
  ends(taskId: TaskId, { stepId, waitingSeq, failure }: Waited, at: string): WaitProblem | null {
    const asking = this.#asking.get(taskId)?.get(stepId);
    this.#asking.get(taskId)?.delete(stepId);
    const what = `step '${stepId}' of task ${taskId} has waited`;
    if (asking?.seq !== waitingSeq) return ['WAITED_WRONGLY', `${what}, which did not wait so`];
    // Looked at with the tasks that they wait for.
    if (asking.waiting.kind === 'task') return null;
    const endsAt = asking.waiting.kind === 'delay' ? asking.waiting.until : asking.waiting.timeout?.at;
    const isTimedOut = failure?.code === 'ANSWER_TIMED_OUT';
    if (asking.answered)
      return isTimedOut ? ['WAITED_WRONGLY', `${what} in vain, though it was answered`] : null;
    if (asking.waiting.kind !== 'delay' && !isTimedOut)
      return ['WAITED_WRONGLY', `${what}, and nobody had answered`];
    return endsAt === undefined || Date.parse(at) < Date.parse(endsAt)
      ? ['WAITED_WRONGLY', `${what} until ${at}, before its time`]
      : null;
  }
}

/** What an event says of a step that has waited. */
export const waitedIn = (event: TaskEvent): Waited | undefined =>
  event.type === 'step.waited' ||
  event.type === 'task.completed' ||
  event.type === 'task.failing' ||
  event.type === 'task.failed'
    ? event.waited
    : undefined;

const answerProblem = (
  { waiting, answered }: Asking,
  { answer, at }: Extract<WaitingEvent, { readonly type: 'step.answered' }>,
): string | null => {
  if (answered) return 'it was answered before';
  if (waiting.kind !== answer.kind) return `it asks for ${waiting.kind}, the answer is one to ${answer.kind}`;
  if (waiting.kind === 'approval' && answer.kind === 'approval' && !waiting.choices.includes(answer.choice))
    return `'${answer.choice}' is none of its choices`;
  if (answer.by !== null) return null;
  const { timeout } = waiting;
  return timeout === undefined || timeout.outcome === 'fail' || Date.parse(at) < Date.parse(timeout.at)
    ? 'nobody answered, and that had no meaning yet'
    : null;
};

const timerProblem = (
  { waiting, reminders, askedAt, escalated }: Asking,
  event: Extract<WaitingEvent, { readonly type: 'step.reminded' | 'step.escalated' }>,
): string | null => {
  if (!asksPeople(waiting)) return 'nobody is asked there';
  const atMs = Date.parse(event.at);
  if (event.type === 'step.escalated') {
    const due = waiting.escalation?.at;
    return due === undefined || escalated || atMs < Date.parse(due) ? 'it was not due' : null;
  }
  const { remindEveryMs = Infinity } = waiting;
  return event.nth !== reminders + 1 || atMs < Date.parse(askedAt) + remindEveryMs ? 'it was not due' : null;
};

const ABOUT_WAITING: ReadonlySet<string> = new Set<WaitingEvent['type']>([
  'step.waiting',
  'step.reminded',
  'step.escalated',
  'step.answered',
]);
export const isAboutWaiting = (event: { readonly type: string }): event is WaitingEvent =>
  ABOUT_WAITING.has(event.type);
