import type { Failure } from '#libs/domain/errors.js';
import type { StepId, TaskId, WorkspaceId } from '#libs/domain/ids.js';
import type { ApprovalWaiting, InputWaiting } from '#libs/domain/task/waiting-events.js';

/** Asks the scheduler that leads what waits for people, the oldest question first; those behind `after`. */
export type InboxRequest = {
  /** Those that this one is asked, and those that anybody may answer. */
  readonly assignee?: string;
  readonly workspace?: WorkspaceId;
  /** `waitingSeq` of the last one that was seen. */
  readonly after?: number;
  readonly limit: number;
};

export type InboxReply = {
  readonly items: readonly InboxItem[];
  /** `after` of the next request; null at the end. */
  readonly next: number | null;
};

/** A question, without what may be long. */
export type InboxItem = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly waitingSeq: number;
  readonly workspace: WorkspaceId;
  readonly template: string;
  readonly kind: 'approval' | 'human_input';
  readonly message: string;
  /** Those who were asked later included. */
  readonly assignees: readonly string[];
  readonly choices: readonly string[] | null;
  readonly since: string;
  readonly until: string | null;
  readonly reminders: number;
  readonly escalated: boolean;
};

export type QuestionRequest = { readonly taskId: TaskId; readonly stepId: StepId };

/** A question with all that is needed to answer it. */
export type Question = InboxItem & { readonly waiting: ApprovalWaiting | InputWaiting };

export type QuestionReply =
  | { readonly ok: true; readonly question: Question }
  | { readonly ok: false; readonly failure: Failure };
