import type { StepId, TaskId } from '../ids.js';
import { isRefused, notOpen, refuse, type Decision, type Refused } from './decide.js';
import type { Circumstances } from './outcome.js';
import type { TaskBook } from './task-book.js';
import type { OpenTask, Step } from './task.js';
import { answered, type WaitingStep } from './waiting.js';
import { asksPeople, type Answer, type WaitingFor } from './waiting-events.js';

/** What somebody answers. `waitingSeq`: what they were asked; a later question of the same step is another one. */
export type AnswerGiven = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly waitingSeq: number;
  readonly answer: Answer & { readonly by: string };
};

/** A step that has asked people, and has no answer yet. */
export type AskingStep = { readonly task: OpenTask; readonly step: WaitingStep };

/** Takes an answer: the first one counts, and every other is told whose that was. */
export const answerStep = (
  { taskId, stepId, waitingSeq, answer }: AnswerGiven,
  book: TaskBook,
  given: Omit<Circumstances, 'random'>,
): Decision => {
  const asking = askingStep(taskId, stepId, book);
  if (isRefused(asking)) return asking;
  const { task, step } = asking;
  if (step.progress.seq !== waitingSeq)
    return refuse('STEP_NOT_WAITING', `Step '${stepId}' of task ${taskId} asks something else by now.`);
  const problem = contentProblem(step.progress.waiting, answer);
  return problem === null ? answered(task, step, answer, given) : refuse('ANSWER_INVALID', problem);
};

/** The step that asks, or why it does not. */
export const askingStep = (taskId: TaskId, stepId: StepId, book: TaskBook): AskingStep | Refused => {
  const task = book.open.get(taskId);
  if (task === undefined) return notOpen(taskId, book, 'there is nothing left to answer');
  const step = task.steps.find(({ spec }) => spec.id === stepId);
  if (step === undefined) {
    const accepted = task.steps.map(({ spec }) => spec.id).join(', ');
    return refuse('STEP_UNKNOWN', `Task ${taskId} has no step '${stepId}'; it has ${accepted}.`);
  }
  const { spec, progress } = step;
  const first = answeredOf(step);
  if (first !== null) return alreadyAnswered(taskId, stepId, first);
  if (task.ending === null && progress.status === 'waiting' && asksPeople(progress.waiting))
    return { task, step: { spec, progress } };
  const why = whyNot(step, task.ending !== null);
  return refuse('STEP_NOT_WAITING', `Step '${stepId}' of task ${taskId} ${why}.`);
};

type First = { readonly by: string | null; readonly at: string };

/** Who has answered a step, and when; null while nobody has. */
const answeredOf = ({ progress }: Step): First | null => {
  if (progress.status === 'waiting') return progress.answer;
  return (progress.status === 'done' || progress.status === 'failed') && progress.answered
    ? progress.answered
    : null;
};

/** The refusal that names the answer which counts. */
export const alreadyAnswered = (taskId: TaskId, stepId: StepId, { by, at }: First): Refused => {
  const who = by === null ? 'was decided by its time, because nobody had answered,' : `was answered by ${by}`;
  return refuse('STEP_ALREADY_ANSWERED', `Step '${stepId}' of task ${taskId} ${who} at ${at}.`, {
    answeredBy: by,
    answeredAt: at,
  });
};

const whyNot = ({ progress }: Step, isEnding: boolean): string => {
  if (isEnding) return 'asks nobody any more: its task is ending';
  if (progress.status === 'waiting')
    return `waits for a ${progress.waiting.kind === 'task' ? 'task' : 'time'}, and nobody is asked`;
  return progress.status === 'pending' ? 'does not wait yet' : 'does not wait for an answer';
};

/** What the shell cannot have checked wrongly is checked again: a command may come from anywhere. */
const contentProblem = (waiting: WaitingFor, answer: Answer): string | null => {
  if (answer.kind !== waiting.kind)
    return `This is an answer to ${answer.kind}; expected one to ${waiting.kind}.`;
  if (answer.kind !== 'approval' || waiting.kind !== 'approval') return null;
  if (!waiting.choices.includes(answer.choice))
    return `'${answer.choice}' is not a choice here; accepted: ${waiting.choices.join(', ')}.`;
  return null;
};
