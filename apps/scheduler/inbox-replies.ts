import type {
  InboxItem,
  InboxReply,
  InboxRequest,
  Question,
  QuestionReply,
} from '#libs/contracts/inbox-queries.js';
import { askingStep } from '#libs/domain/task/answer-step.js';
import { isRefused } from '#libs/domain/task/decide.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import type { TaskIndex } from '#libs/domain/task/task-index.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import { waitingSteps, type WaitingStep } from '#libs/domain/task/waiting.js';
import { asksPeople } from '#libs/domain/task/waiting-events.js';

type Known = { readonly book: TaskBook; readonly index: TaskIndex };

/** A list is looked through; who answers is shown all of a question. */
const MESSAGE_LISTED_CHARS = 500;

/** What waits for people now. Looks at every task that waits: people ask for it, and not a thousand times a second. */
export const inboxReply = (
  { book, index }: Known,
  { assignee, workspace, after = 0, limit }: InboxRequest,
): InboxReply => {
  const found: InboxItem[] = [];
  for (const taskId of index.waiting.tasks) {
    const task = book.open.get(taskId);
    if (!task || task.workspace !== (workspace ?? task.workspace)) continue;
    for (const step of waitingSteps(task)) {
      if (step.progress.seq <= after || step.progress.answer !== null) continue;
      const question = questionOf(task, step);
      if (question === null) continue;
      const { waiting: _, message, ...item } = question;
      if (assignee !== undefined && item.assignees.length > 0 && !item.assignees.includes(assignee)) continue;
      found.push({ ...item, message: message.slice(0, MESSAGE_LISTED_CHARS) });
    }
  }
  const items = found.toSorted((a, b) => a.waitingSeq - b.waitingSeq).slice(0, limit);
  return { items, next: found.length > limit ? (items.at(-1)?.waitingSeq ?? null) : null };
};

export const questionReply = (book: TaskBook, taskId: string, stepId: string): QuestionReply => {
  const asking = askingStep(taskId, stepId, book);
  if (isRefused(asking)) return { ok: false, failure: asking.refused };
  const question = questionOf(asking.task, asking.step);
  if (question === null) throw new Error(`step ${stepId} of ${taskId} asks nobody`);
  return { ok: true, question };
};

/** Null where it asks nobody. */
const questionOf = (task: OpenTask, { spec, progress }: WaitingStep): Question | null => {
  const { waiting, seq, since, reminders, escalated } = progress;
  if (!asksPeople(waiting)) return null;
  const { kind, message, assignees, timeout, escalation } = waiting;
  return {
    taskId: task.id,
    stepId: spec.id,
    waitingSeq: seq,
    workspace: task.workspace,
    template: task.template.name,
    kind,
    message,
    assignees: escalated ? [...assignees, ...(escalation?.to ?? [])] : assignees,
    choices: waiting.kind === 'approval' ? waiting.choices : null,
    since,
    until: timeout?.at ?? null,
    reminders,
    escalated,
    waiting,
  };
};
