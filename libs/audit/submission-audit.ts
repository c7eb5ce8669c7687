import type { WorkspaceId } from '#libs/domain/ids.js';
import type { CommandsRefused, TaskSubmitted } from '#libs/domain/task/events.js';
import { causeIn, type AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';

/** A request to begin a task, as the gateway stored it. */
export type StoredSubmission = {
  readonly seq: number;
  readonly commandId: string;
  readonly taskId: string;
  readonly workspace: WorkspaceId;
  readonly idempotency?: { readonly key: string };
};

/** Whether every stored submission up to the last that was decided became a task, is one already, or was refused. */
export class SubmissionAudit {
  readonly #taskIds = new Set<string>();
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
      const { taskId, workspace, idempotency } = record.data as unknown as TaskSubmitted;
      this.#taskIds.add(taskId);
      if (idempotency) this.#keys.add(`${workspace}/${idempotency.key}`);
    }
    if (record.type !== 'commands.refused') return;
    for (const { commandId } of (record.data as unknown as CommandsRefused).refused)
      this.#refused.add(commandId);
  }

  stored({ seq, commandId, taskId, workspace, idempotency }: StoredSubmission): void {
    if (seq > this.decidedTo) return;
    this.seen += 1;
    if (this.#taskIds.has(taskId) || this.#refused.has(commandId)) return;
    if (idempotency && this.#keys.has(`${workspace}/${idempotency.key}`)) return;
    this.findings.add(
      'SUBMISSION_LOST',
      { stream: this.stream, seq, taskId },
      `submission ${commandId} of task ${taskId} was passed over: ${this.decidedTo} was decided, and this one neither accepted nor refused`,
    );
  }
}
