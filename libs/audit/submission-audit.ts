import type { WorkspaceId } from '#libs/domain/ids.js';
import type { CommandsRefused, WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import type { TaskSubmitted } from '#libs/domain/task/events.js';
import { causeIn, type AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';

/** A request to begin a task or a workflow, as the gateway stored it. */
export type StoredSubmission = {
  readonly seq: number;
  readonly commandId: string;
  /** Of a workflow its id. */
  readonly id: string;
  readonly workspace: WorkspaceId;
  readonly idempotency?: { readonly key: string };
};

/** Whether every stored submission up to the last that was decided became a task or a workflow, is one already, or was refused. */
export class SubmissionAudit {
  readonly #ids = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #keys = new Set<string>();
  /** Last command that the log names as a cause. */
  decidedTo = 0;
  seen = 0;

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  /** An event of `TASKS`. */
  take(record: AuditRecord): void {
    this.decidedTo = Math.max(this.decidedTo, causeIn(record, 'cmd') ?? 0);
    if (record.type === 'task.submitted') {
      const task = record.data as unknown as TaskSubmitted;
      this.#begun(task.taskId, task);
    }
    if (record.type === 'workflow.submitted') {
      const workflow = record.data as unknown as WorkflowSubmitted;
      this.#begun(workflow.workflowId, workflow);
    }
    if (record.type !== 'commands.refused') return;
    for (const { commandId } of (record.data as unknown as CommandsRefused).refused)
      this.#refused.add(commandId);
  }

  #begun(id: string, { workspace, idempotency }: Pick<TaskSubmitted, 'workspace' | 'idempotency'>): void {
    this.#ids.add(id);
    if (idempotency) this.#keys.add(`${workspace}/${idempotency.key}`);
  }

  stored({ seq, commandId, id, workspace, idempotency }: StoredSubmission): void {
    if (seq > this.decidedTo) return;
    this.seen += 1;
    if (this.#ids.has(id) || this.#refused.has(commandId)) return;
    if (idempotency && this.#keys.has(`${workspace}/${idempotency.key}`)) return;
    this.findings.add(
      'SUBMISSION_LOST',
      { stream: this.stream, seq, taskId: id },
      `submission ${commandId} of ${id} was passed over: ${this.decidedTo} was decided, and this one neither accepted nor refused`,
    );
  }
}
