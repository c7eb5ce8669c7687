import type { InboxItem, Question } from '#libs/contracts/inbox-queries.js';

/** A question as `GET /inbox` lists it. */
export const inboxItemView = (item: InboxItem): object => ({
  task_id: item.taskId,
  step_id: item.stepId,
  seq: item.waitingSeq,
  workspace: item.workspace,
  template: item.template,
  kind: item.kind,
  message: item.message,
  assignees: item.assignees,
  choices: item.choices,
  since: item.since,
  until: item.until,
  reminders: item.reminders,
  escalated: item.escalated,
});

/** The same with what is to be approved, or the form. */
export const questionView = ({ waiting, ...item }: Question): object => ({
  ...inboxItemView(item),
  text: waiting.kind === 'approval' ? waiting.text : null,
  edit: waiting.kind === 'approval' && waiting.edit,
  schema: waiting.kind === 'human_input' ? waiting.schema : null,
  initial: waiting.kind === 'human_input' ? waiting.initial : null,
});
