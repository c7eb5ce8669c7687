import type { WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import type { TaskId, WorkflowId } from '#libs/domain/ids.js';
import type { AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';

type Begun = { readonly workflowId: WorkflowId; readonly seq: number; readonly missing: readonly TaskId[] };

/** Types that open the log for another writer: it may find a workflow of which not all tasks have begun. */
const BETWEEN: ReadonlySet<string> = new Set(['log.started', 'leader.elected']);

/** Whether each accepted workflow began with all of its tasks, in their order, before anything else happened. */
export class WorkflowAudit {
  #begun: Begun | null = null;

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  /** Every event of `TASKS`. */
  take(record: AuditRecord): void {
    const begun = this.#begun;
    if (begun && !BETWEEN.has(record.type)) {
      const [next, ...missing] = begun.missing;
      const follows = record.type === 'task.submitted' && record.data['taskId'] === next;
      if (!follows) this.#incomplete(begun, record.seq, `before ${record.type} at ${record.seq}`);
      this.#begun = follows && missing.length > 0 ? { ...begun, missing } : null;
    }
    if (record.type !== 'workflow.submitted') return;
    const { workflowId, tasks } = record.data as unknown as WorkflowSubmitted;
    const missing = tasks.map(({ taskId }) => taskId);
    this.#begun = missing.length > 0 ? { workflowId, seq: record.seq, missing } : null;
  }

  /** For a platform of which somebody says that nothing is under way. */
  settle(): void {
    if (this.#begun) this.#incomplete(this.#begun, this.#begun.seq, 'when the log ended');
  }

  #incomplete({ workflowId, missing }: Begun, seq: number, when: string): void {
    const text = `workflow ${workflowId} was accepted, and ${missing.length} of its tasks had not begun ${when}; the next is ${missing[0]}`;
    this.findings.add('WORKFLOW_INCOMPLETE', { stream: this.stream, seq }, text);
  }
}
