import type { TaskId } from '#libs/domain/ids.js';
import type { StepDispatched, TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { TaskMoved } from '#libs/domain/task/move-events.js';
import type { StartPromise } from '#libs/domain/task/start-promise.js';
import type { AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';
import { outcomesOf } from './outcomes.js';

type Promised = {
  readonly seq: number;
  readonly fromMs: number;
  readonly startByMs: number;
  readonly attemptMs: number;
  readonly swapMs: number;
};

type Span = { readonly fromMs: number; toMs: number };

/** What a promise presumes not to happen: servers that go, work that is repeated, an owner who changes the order, a scheduler that is away. */
const DISTURBS: ReadonlySet<string> = new Set([
  'step.failed',
  'task.failing',
  'task.priority-changed',
  'policy.changed',
  'leader.elected',
  'server.configured',
  'server.removed',
  'residency.load-failed',
  'lease.expired',
]);

/**
 * Whether tasks started by the moment that their submission, or a move back, was promised. A promise is void where something happened meanwhile that it
 * presumes not to happen; whether that was to blame for the delay cannot be told from the log, so it is not asked.
 */
export class PromiseAudit {
  readonly #waiting = new Map<TaskId, Promised>();
  readonly #late: (Promised & { readonly taskId: TaskId; readonly startedAtMs: number })[] = [];
  readonly #disturbedAtMs: number[] = [];
  readonly #attempts = new Map<string, Span>();
  readonly #loads = new Map<string, Span>();
  /** Servers that are not up and scopes that are paused, and when others were. */
  readonly #away = new Map<string, Span>();
  readonly #wereAway: Span[] = [];

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  task(record: AuditRecord): void {
    const atMs = Date.parse(record.time);
    if (DISTURBS.has(record.type)) this.#disturbedAtMs.push(atMs);
    if (record.type === 'scheduling.paused' || record.type === 'scheduling.resumed')
      this.#availability(String(record.data['scope']), record.type === 'scheduling.resumed', atMs);
    if (record.type === 'task.submitted') this.#promised(record);
    if (record.type === 'task.moved') this.#promisedAgain(record);
    if (record.type === 'step.dispatched') {
      const { taskId, lease } = record.data as unknown as StepDispatched;
      this.#attempts.set(lease.leaseId, { fromMs: atMs, toMs: Infinity });
      this.#started(taskId, atMs);
    }
    if (record.taskId !== undefined) this.#ended(record, atMs);
    if (OVER.has(record.type)) this.#waiting.delete(String(record.data['taskId']));
  }

  lease(record: AuditRecord): void {
    const atMs = Date.parse(record.time);
    if (DISTURBS.has(record.type)) this.#disturbedAtMs.push(atMs);
    if (record.type === 'server.state-changed')
      this.#availability(`server ${String(record.data['serverId'])}`, record.data['state'] === 'up', atMs);
    const residencyId = String(record.data['residencyId']);
    if (record.type === 'residency.load-started')
      this.#loads.set(residencyId, { fromMs: atMs, toMs: Infinity });
    const load = this.#loads.get(residencyId);
    if (load && LOAD_ENDS.has(record.type)) load.toMs = atMs;
  }

  /** Of what still waits, only what is late by now is known to be. */
  report(nowMs: number): void {
    const late = [...this.#waiting].map(([taskId, promised]) => ({
      ...promised,
      taskId,
      startedAtMs: nowMs,
    }));
    for (const one of [...this.#late, ...late]) {
      if (one.startedAtMs <= one.startByMs || this.#isVoid(one)) continue;
      const message = `task ${one.taskId} was to start by ${new Date(one.startByMs).toISOString()} and had not`;
      this.findings.add('STARTED_LATE', { stream: this.stream, seq: one.seq, taskId: one.taskId }, message);
    }
  }

  #ended({ type, data }: AuditRecord, atMs: number): void {
    for (const { leaseId } of outcomesOf({ ...data, type } as unknown as TaskEvent)) {
      const span = this.#attempts.get(leaseId);
      if (span) span.toMs = atMs;
    }
  }

  #availability(what: string, isUp: boolean, atMs: number): void {
    const away = this.#away.get(what);
    if (!isUp && away === undefined) this.#away.set(what, { fromMs: atMs, toMs: Infinity });
    if (!isUp || away === undefined) return;
    this.#away.delete(what);
    this.#wereAway.push({ ...away, toMs: atMs });
  }

  #promised({ seq, data }: AuditRecord): void {
    const { taskId, submittedAt, promise } = data as unknown as TaskSubmitted;
    if (promise === undefined) return;
    this.#waiting.set(taskId, promisedAt(promise, seq, submittedAt));
  }

  /** Who was moved back has given its promise up, whether there is a new one or not; who was moved forward keeps it. */
  #promisedAgain({ seq, data }: AuditRecord): void {
    const { taskId, promise, at } = data as unknown as TaskMoved;
    if (promise === undefined) return;
    this.#waiting.delete(taskId);
    if (promise !== null) this.#waiting.set(taskId, promisedAt(promise, seq, at));
  }

  #started(taskId: TaskId, startedAtMs: number): void {
    const promised = this.#waiting.get(taskId);
    if (promised === undefined) return;
    this.#waiting.delete(taskId);
    if (startedAtMs > promised.startByMs) this.#late.push({ ...promised, taskId, startedAtMs });
  }

  #isVoid({ fromMs, startByMs, attemptMs, swapMs }: Promised): boolean {
    const isLonger = (spans: Iterable<Span>, mostMs: number): boolean =>
      [...spans].some(
        (span) => span.fromMs <= startByMs && span.toMs >= fromMs && span.toMs - span.fromMs > mostMs,
      );
    return (
      this.#disturbedAtMs.some((atMs) => atMs >= fromMs && atMs <= startByMs) ||
      isLonger(this.#attempts.values(), attemptMs) ||
      isLonger(this.#loads.values(), swapMs) ||
      isLonger([...this.#away.values(), ...this.#wereAway], 0)
    );
  }
}

const promisedAt = (promise: StartPromise, seq: number, since: string): Promised => {
  const { startBy, attemptMs, swapMs } = promise;
  return { seq, fromMs: Date.parse(since), startByMs: Date.parse(startBy), attemptMs, swapMs };
};

const LOAD_ENDS: ReadonlySet<string> = new Set(['residency.loaded', 'residency.load-failed']);
const OVER: ReadonlySet<string> = new Set(['task.completed', 'task.failed', 'task.cancelled']);
