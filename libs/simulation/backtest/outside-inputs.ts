import type { ErrorCode } from '#libs/domain/errors.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import type { StepId, TaskId } from '#libs/domain/ids.js';
import type { TaskFailed } from '#libs/domain/task/events.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { factsIn } from '#libs/domain/task/told-apart.js';

type TaskFact = TaskRecord['event'];
type LeaseFact = GpuRecord['event'];

/** What came from outside and comes again in a replay: what was submitted in the window, and all else to the end of the log. */
export type Input =
  | { readonly atMs: number; readonly log: 'tasks'; readonly event: TaskFact }
  | { readonly atMs: number; readonly log: 'leases'; readonly event: LeaseFact };

/** Picks out of two logs what came from outside, about the tasks of a window and about all servers. */
export class OutsideInputs {
  /** How long a task that was asked to stop needed for it, from the start of the window at the earliest. */
  readonly stopMs = new Map<TaskId, number>();
  /** Steps whose condition was false: a replay has no outputs to decide by. */
  readonly skipped = new Map<TaskId, StepId[]>();
  readonly items = new Map<string, number>();
  readonly #inputs: Input[] = [];
  readonly #tasks = new Set<TaskId>();
  readonly #stopAskedMs = new Map<TaskId, number>();
  /** Models fail to load with these: a task that fails by one comes to it in a replay by itself. */
  readonly #loadFailures = new Set<string>();

  constructor(
    private readonly fromMs: number,
    private readonly toMs: number,
  ) {}

  /** Tasks of the window so far. */
  get tasks(): number {
    return this.#tasks.size;
  }

  openAtStart(taskIds: Iterable<TaskId>): void {
    for (const taskId of taskIds) this.#tasks.add(taskId);
  }

  /** In order; those of `LEASES` first where times are equal. */
  inOrder(): readonly Input[] {
    return this.#inputs
      .filter((input) => !this.#comesByItself(input))
      .toSorted((a, b) => a.atMs - b.atMs || Number(a.log === 'tasks') - Number(b.log === 'tasks'));
  }

  lease(event: LeaseFact, atMs: number): void {
    if (event.type === 'residency.load-failed') this.#loadFailures.add(event.failure.code);
    if (atMs >= this.fromMs && LEASE_INPUTS.has(event.type))
      this.#inputs.push({ atMs, log: 'leases', event });
  }

  task(event: TaskFact, atMs: number): void {
    for (const one of factsIn(event)) this.#told(one, atMs, 'last' in event);
  }

  /** `isByItself`: an end that came by the steps there. */
  #told(event: TaskFact, atMs: number, isByItself: boolean): void {
    if (event.type === 'task.cancel-requested')
      this.#stopAskedMs.set(event.taskId, Math.max(atMs, this.fromMs));
    if (atMs < this.fromMs) return;
    if (event.type === 'task.submitted' && atMs < this.toMs) this.#tasks.add(event.taskId);
    if ('taskId' in event && !this.#tasks.has(event.taskId)) return;
    if (event.type === 'step.skipped') this.#skip(event.taskId, event.stepId);
    if (event.type === 'step.expanded') this.items.set(`${event.taskId}/${event.stepId}`, event.items);
    switch (event.type) {
      case 'task.submitted':
        return this.#keep(withoutText(event), atMs);
      case 'workflow.submitted':
        if (atMs >= this.toMs) return;
        return this.#keep(
          { ...event, tasks: event.tasks.map((task) => ({ ...task, parameters: {} })) },
          atMs,
        );
      case 'task.cancelled':
        this.#stopped(event.taskId, atMs);
        // One that was skipped is skipped again by what it needs.
        if (event.skipped !== undefined || isByItself) return;
        if (event.cut === 'forced' || !this.stopMs.has(event.taskId)) this.#keep(event, atMs);
        return;
      case 'task.completed':
        if (event.skipped !== undefined) this.#skip(event.taskId, event.skipped);
        return this.#stopped(event.taskId, atMs + 1);
      case 'task.finishing': {
        const { taskId, end, at } = event;
        this.#stopped(taskId, end.status === 'completed' ? atMs + 1 : atMs);
        if (end.status === 'cancelled' && !this.stopMs.has(taskId))
          this.#keep({ type: 'task.cancel-requested', taskId, reason: end.reason, at }, atMs);
        return;
      }
      case 'task.failed':
      case 'task.failing':
        this.#stopped(event.taskId, atMs + 1);
        if ('cut' in event && event.cut !== undefined) return this.#cutShort(event, atMs);
        if (event.step === undefined && event.waited === undefined && !isByItself) this.#keep(event, atMs);
        return;
      case 'step.impossible':
      case 'step.answered':
      case 'task.cancel-requested':
      case 'task.priority-changed':
      case 'task.moved':
      case 'policy.changed':
      case 'scheduling.paused':
      case 'scheduling.resumed':
        return this.#keep(event, atMs);
      default:
        return;
    }
  }

  /** One that ended by itself before it could be stopped needed longer than that for it. */
  #stopped(taskId: TaskId, atMs: number): void {
    const askedMs = this.#stopAskedMs.get(taskId);
    if (askedMs !== undefined) this.stopMs.set(taskId, atMs - askedMs);
  }

  /** Steps at the end of a task that has failed before. */
  #cutShort({ taskId, cut, at }: TaskFailed, atMs: number): void {
    if (cut === 'forced')
      this.#keep({ type: 'task.cancel-requested', taskId, reason: 'forced', force: true, at }, atMs);
  }

  #skip(taskId: TaskId, stepId: StepId): void {
    this.skipped.set(taskId, [...(this.skipped.get(taskId) ?? []), stepId]);
  }

  #keep(event: TaskFact, atMs: number): void {
    this.#inputs.push({ atMs, log: 'tasks', event });
  }

  /** A task that failed without an attempt, for a reason that a replay finds again: what it needs, its time in the queue, its model. */
  #comesByItself({ event }: Input): boolean {
    if (event.type !== 'task.failed' && event.type !== 'task.failing') return false;
    const { code } = event.failure;
    return FOUND_AGAIN.has(code) || this.#loadFailures.has(code);
  }
}

const FOUND_AGAIN: ReadonlySet<ErrorCode> = new Set([
  'DEPENDENCY_FAILED',
  'QUEUE_TTL_EXPIRED',
  'FINALLY_TIMED_OUT',
  'NO_SERVER_FITS',
]);

const LEASE_INPUTS: ReadonlySet<string> = new Set([
  'server.configured',
  'server.removed',
  'server.state-changed',
  'server.drain-started',
  'server.resumed',
]);

type Submitted = Extract<TaskFact, { type: 'task.submitted' }>;

/** Without what nobody reads and may be large, and without its promise, which was made for the log as it was. */
const withoutText = (event: Submitted): Submitted => {
  const { promise: _, kept, ...submitted } = event;
  const done = kept?.map(({ stepId }) => ({ stepId, output: null }));
  return { ...submitted, parameters: {}, labels: {}, ...(done === undefined ? {} : { kept: done }) };
};
