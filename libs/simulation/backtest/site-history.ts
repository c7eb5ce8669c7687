import type { Failure } from '#libs/domain/errors.js';
import { isInterruption } from '#libs/domain/errors.js';
import type { GpuEvent, AllocatorEvent } from '#libs/domain/gpu/events.js';
import type { ServerId, StepId, TaskId, WorkspaceId } from '#libs/domain/ids.js';
import type { StepDispatched, StepFailure, StepSuccess, TaskEvent } from '#libs/domain/task/events.js';
import { awaitedTasks, needsMet } from '#libs/domain/task/needs.js';
import { waitsFromMs } from '#libs/domain/task/queue-time.js';
import { requirementKey } from '#libs/domain/task/requirement.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import { type OpenTask } from '#libs/domain/task/task.js';
import { isOfWaitingKind } from '#libs/domain/task/waiting.js';
import { mayBegin } from '#libs/domain/task/steps-over.js';
import { toldApart } from '#libs/domain/task/told-apart.js';
import { msOf } from '#libs/domain/time.js';

/** Times are milliseconds since 1970, by the clock of whoever wrote the log; null for what has not happened. */
export type TaskHistory = {
  readonly taskId: TaskId;
  readonly workspace: WorkspaceId;
  /** As it was submitted, or at the start of the history. */
  readonly priority: number;
  readonly deadlineMs: number | null;
  readonly submittedMs: number;
  readonly steps: Map<StepId, StepHistory>;
  ended: { readonly atMs: number; readonly status: 'completed' | 'failed' | 'cancelled' } | null;
};

export type StepHistory = {
  /** When nothing but a slot was missing. */
  readyMs: number | null;
  /** Its first attempt. */
  startMs: number | null;
};

export type AttemptHistory = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly workspace: WorkspaceId;
  readonly serverId: ServerId;
  /** What it needs, by `requirementKey`. */
  readonly key: string;
  readonly isCpu: boolean;
  readonly vramShare: number;
  readonly startMs: number;
  ended: { readonly atMs: number; readonly how: AttemptEnd } | null;
  /** Generated, as far as the server has said. */
  tokens: number | null;
};

/** `taken`: ended from outside, by a stop that was asked for or by the loss of its executor or server. */
export type AttemptEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'taken'; readonly isLost: boolean };

export type LoadHistory = {
  readonly startMs: number;
  ended: { readonly atMs: number; readonly failure: Failure | null } | null;
};

export type ServerHistory = { readonly isCpu: boolean; readonly fromMs: number; untilMs: number | null };

type TaskFact = TaskEvent | SchedulerEvent;

/**
 * What happened at a site, from the facts of its two logs: when steps were ready and started, what attempts took, what was loaded. The
 * same reading serves the log of a platform and that of a simulation, so that both are measured alike.
 */
export class SiteHistory {
  readonly tasks = new Map<TaskId, TaskHistory>();
  readonly attempts: AttemptHistory[] = [];
  readonly loads: LoadHistory[] = [];
  readonly servers: { readonly serverId: ServerId; readonly span: ServerHistory }[] = [];
  readonly #running = new Map<string, AttemptHistory>();
  readonly #loading = new Map<string, LoadHistory>();
  readonly #configured = new Map<ServerId, ServerHistory>();
  readonly #dependents = new Map<TaskId, TaskId[]>();

  /** The book has this fact already. */
  task(event: TaskFact, atMs: number, book: TaskBook): void {
    if (!('taskId' in event) || event.type === 'artifact.removed') return;
    const task = book.open.get(event.taskId);
    if (event.type === 'task.submitted' && task) this.#submitted(task, atMs, book);
    if (event.type === 'step.dispatched') this.#dispatched(event, atMs);
    for (const told of 'scheduleId' in event ? [] : toldApart(event)) this.#endAttempts(told, atMs);
    const known = this.tasks.get(event.taskId);
    const status = book.closed.get(event.taskId);
    if (known && status && known.ended === null) known.ended = { atMs, status };
    if (task) this.#lookReady(task, atMs, book);
    else this.#awaitedEnded(event.taskId, atMs, book);
  }

  lease(event: GpuEvent | AllocatorEvent, atMs: number): void {
    switch (event.type) {
      case 'server.configured':
        return this.#configure(event.server.serverId, event.server.kind === 'cpu', atMs);
      case 'server.removed': {
        const span = this.#configured.get(event.serverId);
        if (span) span.untilMs = atMs;
        this.#configured.delete(event.serverId);
        return;
      }
      case 'residency.load-started': {
        const load: LoadHistory = { startMs: atMs, ended: null };
        this.loads.push(load);
        this.#loading.set(event.residencyId, load);
        return;
      }
      case 'residency.loaded':
      case 'residency.load-failed': {
        const load = this.#loading.get(event.residencyId);
        const failure = event.type === 'residency.load-failed' ? event.failure : null;
        if (load) load.ended = { atMs, failure };
        this.#loading.delete(event.residencyId);
        return;
      }
      default:
        return;
    }
  }

  /** Forgets what is over, and gives what another history needs to take up here. */
  cut(): HistoryStart {
    for (const [taskId, { ended }] of this.tasks) if (ended) this.tasks.delete(taskId);
    const open = this.attempts.filter(({ ended }) => ended === null);
    this.attempts.splice(0, this.attempts.length, ...open);
    return {
      tasks: [...this.tasks.values()].map(({ steps, ...task }) => ({
        ...task,
        steps: [...steps].map(([stepId, step]) => [stepId, { ...step }] as const),
      })),
      attempts: open.map((attempt) => ({ ...attempt })),
      awaited: [...this.#dependents].map(([taskId, dependents]) => [taskId, [...dependents]] as const),
    };
  }

  takeUp({ tasks, attempts, awaited }: HistoryStart): void {
    for (const { steps, ...task } of tasks)
      this.tasks.set(task.taskId, {
        ...task,
        steps: new Map(steps.map(([stepId, step]) => [stepId, { ...step }])),
      });
    for (const attempt of attempts) this.#begin({ ...attempt });
    for (const [taskId, dependents] of awaited) this.#dependents.set(taskId, [...dependents]);
  }

  /** Servers that were there before the first fact. */
  servesFrom(serverId: ServerId, isCpu: boolean, atMs: number): void {
    this.#configure(serverId, isCpu, atMs);
  }

  #configure(serverId: ServerId, isCpu: boolean, atMs: number): void {
    if (this.#configured.has(serverId)) return;
    const span: ServerHistory = { isCpu, fromMs: atMs, untilMs: null };
    this.#configured.set(serverId, span);
    this.servers.push({ serverId, span });
  }

  #submitted(task: OpenTask, atMs: number, book: TaskBook): void {
    const { id: taskId, workspace, priority, deadlineAt } = task;
    this.tasks.set(taskId, {
      taskId,
      workspace,
      priority,
      deadlineMs: deadlineAt === null ? null : msOf(deadlineAt),
      submittedMs: atMs,
      // One that waits starts nowhere, nor does a step with items: they come later.
      steps: new Map(
        task.steps
          .filter((step) => !isOfWaitingKind(step) && step.spec.forEach === undefined)
          .map(({ spec }) => [spec.id, { readyMs: null, startMs: null }]),
      ),
      ended: null,
    });
    for (const needed of awaitedTasks(task)) {
      if (book.closed.has(needed)) continue;
      const dependents = this.#dependents.get(needed);
      if (dependents) dependents.push(taskId);
      else this.#dependents.set(needed, [taskId]);
    }
  }

  #lookReady(task: OpenTask, atMs: number, book: TaskBook): void {
    const known = this.tasks.get(task.id);
    if (!known || task.ending || !needsMet(task, book.closed)) return;
    for (const { spec, progress, item } of task.steps) {
      if (item && !known.steps.has(spec.id)) known.steps.set(spec.id, { readyMs: null, startMs: null });
      const step = known.steps.get(spec.id);
      if (!step || step.readyMs !== null || progress.status !== 'pending') continue;
      if (mayBegin(task, { spec })) step.readyMs = Math.max(atMs, waitsFromMs(task));
    }
  }

  #awaitedEnded(taskId: TaskId, atMs: number, book: TaskBook): void {
    const dependents = this.#dependents.get(taskId) ?? [];
    this.#dependents.delete(taskId);
    for (const dependent of dependents) {
      const task = book.open.get(dependent);
      if (task) this.#lookReady(task, atMs, book);
    }
  }

  #dispatched({ taskId, stepId, lease, requirement, vramShare }: StepDispatched, atMs: number): void {
    const task = this.tasks.get(taskId);
    const step = task?.steps.get(stepId);
    if (step) step.startMs ??= atMs;
    this.#begin({
      taskId,
      stepId,
      workspace: task?.workspace ?? '',
      serverId: lease.serverId,
      key: requirementKey(requirement),
      isCpu: requirement.kind === 'cpu',
      vramShare: vramShare ?? 0,
      startMs: atMs,
      ended: null,
      tokens: null,
    });
  }

  #begin(attempt: AttemptHistory): void {
    this.attempts.push(attempt);
    this.#running.set(`${attempt.taskId}/${attempt.stepId}`, attempt);
  }

  #endAttempts(event: TaskEvent, atMs: number): void {
    const { taskId } = event;
    switch (event.type) {
      case 'step.completed':
        return this.#succeeded(taskId, event.step, atMs);
      case 'task.completed':
        if (event.step) this.#succeeded(taskId, event.step, atMs);
        if (event.abandoned) this.#end(taskId, event.abandoned.stepId, atMs, endOf(event.abandoned));
        return;
      case 'step.abandoned':
      case 'step.failed':
      case 'task.failing':
        if (event.step) this.#end(taskId, event.step.stepId, atMs, endOf(event.step));
        return;
      case 'step.stopped':
        return this.#end(taskId, event.step.stepId, atMs, STOPPED);
      case 'task.failed':
      case 'task.cancelled':
        if (event.type === 'task.failed' && event.step)
          this.#end(taskId, event.step.stepId, atMs, endOf(event.step));
        for (const { stepId } of event.stopped) this.#end(taskId, stepId, atMs, STOPPED);
        return;
      default:
        return;
    }
  }

  #succeeded(taskId: TaskId, { stepId, usage }: StepSuccess, atMs: number): void {
    const attempt = this.#running.get(`${taskId}/${stepId}`);
    if (attempt && usage) attempt.tokens = usage.tokensOut;
    this.#end(taskId, stepId, atMs, { kind: 'completed' });
  }

  #end(taskId: TaskId, stepId: StepId, atMs: number, how: AttemptEnd): void {
    const attempt = this.#running.get(`${taskId}/${stepId}`);
    if (attempt === undefined) return;
    attempt.ended = { atMs, how };
    this.#running.delete(`${taskId}/${stepId}`);
  }
}

const STOPPED: AttemptEnd = { kind: 'taken', isLost: false };

const endOf = ({ failure }: StepFailure): AttemptEnd =>
  isInterruption(failure.code) ? { kind: 'taken', isLost: true } : { kind: 'failed', failure };

/** What is open at a moment: tasks, attempts, and who waits for whom. */
export type HistoryStart = {
  readonly tasks: readonly (Omit<TaskHistory, 'steps'> & {
    readonly steps: readonly (readonly [StepId, StepHistory])[];
  })[];
  readonly attempts: readonly AttemptHistory[];
  readonly awaited: readonly (readonly [TaskId, readonly TaskId[]])[];
};
