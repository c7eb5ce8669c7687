import type { StepId, TaskId } from '#libs/domain/ids.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { StepWaiting, Waited } from '#libs/domain/task/waiting-events.js';
import { toldApart } from '#libs/domain/task/told-apart.js';
import type { AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';
import { waitedIn } from './wait-audit.js';

type Child = { readonly parent: TaskId; readonly stepId: StepId; end: string | null };

type Begun = { readonly taskId: TaskId; readonly seq: number };

/** Types that open the log for another writer: it may find a child whose step does not wait yet. */
const BETWEEN: ReadonlySet<string> = new Set(['log.started', 'leader.elected']);

const ENDS: ReadonlySet<string> = new Set(['task.completed', 'task.failed', 'task.cancelled']);

/** Whether each step that is a task has one child at a time, which begins for it, and ends before it. */
export class ChildAudit {
  /** Tasks above each task that has not ended. */
  readonly #depths = new Map<TaskId, number>();
  /** Children whose steps have not gone on. */
  readonly #children = new Map<TaskId, Child>();
  /** The child that a step waits for, by task and step. */
  readonly #waiting = new Map<TaskId, Map<StepId, TaskId>>();
  #begun: Begun | null = null;

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  /** Every event of `TASKS`. */
  take(record: AuditRecord): void {
    const { seq, type } = record;
    const event = { ...record.data, type } as unknown as TaskEvent;
    const begun = this.#begun;
    if (begun && !BETWEEN.has(type)) {
      this.#begun = null;
      if (event.type !== 'step.waiting' || childIn(event) !== begun.taskId)
        this.#found(
          begun,
          `task ${begun.taskId} was submitted for a step, and ${type} at ${seq} came before that waited`,
        );
    }
    if (event.type === 'task.submitted') return this.#submitted(event, seq);
    if (event.type === 'step.waiting') this.#waits(event, begun, seq);
    if (!('taskId' in event) || !this.#depths.has(event.taskId)) return;
    for (const told of toldApart(event)) {
      const waited = waitedIn(told);
      if (waited) this.#waited(event.taskId, waited, seq);
    }
    if (type === 'task.finishing' || ENDS.has(type)) this.#leftBehind(event.taskId, type, seq);
    if (ENDS.has(type)) this.#ended(event.taskId, type);
  }

  #submitted({ taskId, parent }: TaskSubmitted, seq: number): void {
    const place = { taskId, seq };
    this.#depths.set(taskId, parent?.depth ?? 0);
    if (parent === undefined) return;
    this.#begun = place;
    const { stepId } = parent;
    this.#children.set(taskId, { parent: parent.taskId, stepId, end: null });
    const above = this.#depths.get(parent.taskId);
    const what = `task ${taskId} began for step '${stepId}' of task ${parent.taskId}`;
    if (above === undefined) this.#found(place, `${what}, which was not open`);
    else if (parent.depth !== above + 1)
      this.#found(place, `${what} as one with ${parent.depth} above it, where there are ${above + 1}`);
    const other = this.#waiting.get(parent.taskId)?.get(stepId);
    if (other !== undefined) this.#found(place, `${what}, which waited for task ${other}`);
  }

  #waits(event: StepWaiting, begun: Begun | null, seq: number): void {
    const childId = childIn(event);
    if (childId === null) return;
    const { taskId, stepId } = event;
    const child = this.#children.get(childId);
    if (begun?.taskId !== childId || child?.parent !== taskId || child.stepId !== stepId)
      this.#found(
        { taskId, seq },
        `step '${stepId}' of task ${taskId} waits for task ${childId}, which did not begin for it`,
      );
    const ofTask = this.#waiting.get(taskId) ?? new Map<StepId, TaskId>();
    this.#waiting.set(taskId, ofTask.set(stepId, childId));
  }

  #waited(taskId: TaskId, { stepId, failure }: Waited, seq: number): void {
    const ofTask = this.#waiting.get(taskId);
    const childId = ofTask?.get(stepId);
    if (childId === undefined) return;
    ofTask?.delete(stepId);
    const end = this.#children.get(childId)?.end ?? null;
    this.#children.delete(childId);
    const what = `step '${stepId}' of task ${taskId} went on`;
    if (end === null) this.#found({ taskId, seq }, `${what} before task ${childId} had ended`);
    else if ((end === 'task.completed') !== (failure === undefined))
      this.#found(
        { taskId, seq },
        `${what} ${failure ? 'as failed' : 'as done'}, and task ${childId} ended with ${end}`,
      );
  }

  /** Its children have ended before all of its other steps have. */
  #leftBehind(taskId: TaskId, how: string, seq: number): void {
    for (const childId of this.#waiting.get(taskId)?.values() ?? []) {
      if (this.#children.get(childId)?.end === null)
        this.#found({ taskId, seq }, `${how} of task ${taskId} before its task ${childId} had ended`);
      this.#children.delete(childId);
    }
    this.#waiting.delete(taskId);
  }

  #ended(taskId: TaskId, how: string): void {
    this.#depths.delete(taskId);
    const child = this.#children.get(taskId);
    if (child) child.end = how;
  }

  #found({ taskId, seq }: Begun, text: string): void {
    this.findings.add('CHILD_WRONGLY', { stream: this.stream, seq, taskId }, text);
  }
}

const childIn = ({ waiting }: StepWaiting): TaskId | null =>
  waiting.kind === 'task' ? waiting.childTaskId : null;
