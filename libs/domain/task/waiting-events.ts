import type { Failure } from '../errors.js';
import type { StepId, TaskId } from '../ids.js';

/** Facts about steps that wait for a time, for people or for a task of their own. They need no lease and no executor. */
export type WaitingEvent = StepWaiting | StepReminded | StepEscalated | StepAnswered | StepWaited;

/** Kinds of waiting: also the names of the step types. */
export const WAITING_KINDS = ['delay', 'approval', 'human_input', 'task'] as const;
export type WaitingKind = (typeof WAITING_KINDS)[number];

/** A step begins to wait. Its sequence names the waiting from here on. */
export type StepWaiting = {
  readonly type: 'step.waiting';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  /** With every expression filled in. */
  readonly waiting: WaitingFor;
  readonly at: string;
};

export type WaitingFor = DelayWaiting | PeopleWaiting | ChildWaiting;

/** What people are asked. */
export type PeopleWaiting = ApprovalWaiting | InputWaiting;

/** For the end of a task that was submitted right before, for this step alone: its child. */
export type ChildWaiting = {
  readonly kind: 'task';
  readonly childTaskId: TaskId;
  readonly template: { readonly name: string; readonly version: string };
  /** From 1: each try has a child of its own. */
  readonly attempt: number;
  /** When the child is cancelled if it has not ended; absent: it may take as long as it does. */
  readonly timeoutAt?: string;
};

export type DelayWaiting = { readonly kind: 'delay'; readonly until: string };

/** What is common to everything that people are asked. */
export type Asked = {
  readonly message: string;
  /** Names of those who are asked; anybody where there is none. */
  readonly assignees: readonly string[];
  /** Absent: it waits for as long as it takes. */
  readonly timeout?: { readonly at: string; readonly outcome: string };
  readonly remindEveryMs?: number;
  readonly escalation?: { readonly at: string; readonly to: readonly string[] };
};

/** `timeout.outcome`: `fail`, or one of the choices. */
export type ApprovalWaiting = Asked & {
  readonly kind: 'approval';
  /** What is to be approved: a text, or any data; null for none. */
  readonly text: unknown;
  /** Whether who answers may change it. */
  readonly edit: boolean;
  /** `approve`, `reject` and those that the template names. */
  readonly choices: readonly string[];
  readonly onReject: 'fail' | 'continue';
};

/** `timeout.outcome`: `fail`, or `default`. */
export type InputWaiting = Asked & {
  readonly kind: 'human_input';
  /** JSON Schema of the answer. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** What the form shows at first. */
  readonly initial: unknown;
  /** The answer where nobody gives one in time. */
  readonly fallback?: unknown;
};

/** Who is asked was asked again. `nth` is 1 for the first reminder. */
export type StepReminded = {
  readonly type: 'step.reminded';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly waitingSeq: number;
  readonly nth: number;
  readonly assignees: readonly string[];
  readonly message: string;
  readonly at: string;
};

/** Nobody has answered for so long that others are asked too. */
export type StepEscalated = {
  readonly type: 'step.escalated';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly waitingSeq: number;
  readonly to: readonly string[];
  readonly message: string;
  readonly at: string;
};

/** The one answer that counts. What follows of it for the step stands in the next event of the task. */
export type StepAnswered = {
  readonly type: 'step.answered';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly waitingSeq: number;
  readonly answer: Answer;
  readonly at: string;
};

/** `by`: null where nobody answered in time, and the template says what that means. */
export type Answer = { readonly by: string | null; readonly comment: string | null } & AnswerContent;

export type AnswerContent =
  | { readonly kind: 'approval'; readonly choice: string; readonly text: unknown }
  | { readonly kind: 'human_input'; readonly data: unknown };

/** A step has waited, and its task goes on. Where that ends the task it stands in `task.completed` or `task.failed`. */
export type StepWaited = {
  readonly type: 'step.waited';
  readonly taskId: TaskId;
  readonly waited: Waited;
  readonly at: string;
};

/** How a waiting ended: the step is done with its output, or it has failed for good. */
export type Waited = {
  readonly stepId: StepId;
  readonly waitingSeq: number;
} & (
  | { readonly output: unknown; readonly failure?: never; readonly retryAt?: never }
  | {
      readonly output?: never;
      readonly failure: Failure;
      /** The child has failed, and there will be another one, not before this. Absent: it has failed for good. */
      readonly retryAt?: string;
    }
);

export const asksPeople = (waiting: WaitingFor): waiting is PeopleWaiting =>
  waiting.kind === 'approval' || waiting.kind === 'human_input';
