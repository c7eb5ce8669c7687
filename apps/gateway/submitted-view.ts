import { ApiError } from './http/problem.js';
import type { Submitted } from './submission.js';

export const TASKS_PATH = '/api/v1/tasks';

/** A task or workflow that was stored and not decided yet, so that nothing else is known of it. */
export type Undecided = { readonly id: string; readonly status: 'accepted'; readonly status_url: string };

export const undecided = (id: string): Undecided => ({
  id,
  status: 'accepted',
  status_url: `${TASKS_PATH}/${id}`,
});

/** How each outcome of a submission is answered. */
export const SUBMISSION_STATUS = { queued: 201, repeated: 200, stored: 202 } as const;

/** What became of a submission, and the task that it made or found. Throws what it was refused with. */
export const submissionOutcome = ({
  command,
  answer,
}: Submitted): { readonly outcome: keyof typeof SUBMISSION_STATUS; readonly id: string } => {
  if (answer?.ok === false) throw ApiError.of(answer.failure);
  const outcome = answer === null ? 'stored' : answer.repeated ? 'repeated' : 'queued';
  return { outcome, id: answer?.taskId ?? command.taskId };
};

/** From what is known here: asking the read model would cost a submission its speed. */
export const submittedView = ({ command, answer }: Submitted): object => ({
  id: command.taskId,
  status: answer === null ? 'accepted' : 'queued',
  workspace: command.workspace,
  priority: command.priority,
  template: command.template,
  depends_on: command.dependsOn,
  labels: command.labels,
  created_at: command.submittedAt,
  run_at: command.runAt ?? null,
  deadline_at: command.deadlineAt ?? null,
  queue_ttl_ms: command.queueTtlMs ?? null,
  rerun_of: command.rerunOf ?? null,
  status_url: `${TASKS_PATH}/${command.taskId}`,
});
