import type { Failure } from '#libs/domain/errors.js';
import { ledgerOfLines } from '#libs/domain/gpu/ledger-state.js';
import type { ServerId, StepId, TaskId } from '#libs/domain/ids.js';
import { bookOf } from '#libs/domain/task/book-state.js';
import { requirementKey, type Requirement } from '#libs/domain/task/requirement.js';
import type { Outcome } from '#libs/domain/task/outcome.js';
import { expiresAtMs } from '#libs/domain/task/queue-time.js';
import { activeSteps } from '#libs/domain/task/task.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { ControlPlane, type UnderWay } from '../conductor/control-plane.js';
import { GpuCompute } from '../gpu-compute.js';
import { REFERENCE_BYTES, type Gpu, type SimModel } from '../hardware.js';
import { VirtualClock } from '../virtual-clock.js';
import { inputsOf, type Change } from './change.js';
import type { Recording } from './log-recording.js';
import type { Input } from './outside-inputs.js';
import { ReplaySwaps } from './replay-swaps.js';
import { SiteHistory } from './site-history.js';

type Running = UnderWay & { readonly serverId: ServerId; readonly abort: () => void };

/** Nothing happens, but what time alone changes is seen this soon: turns that end, pauses after failed loads. */
const TICK_MS = 1_000;

/** A GPU on which a token takes a millisecond, and a model that has its speed: work is told in milliseconds alone. */
const UNIT_GPU: Gpu = { name: 'unit', vramBytes: 0, generateTokensPerS: 1_000, promptTokensPerS: 1_000 };
const unitModel = (key: string): SimModel => ({
  model: key,
  weightBytes: REFERENCE_BYTES,
  kvBytesPerToken: 0,
  numCtx: 0,
});

const LOST: Failure = { code: 'SERVER_UNREACHABLE', message: 'The server was away.' };
const STOPPED: Outcome = { kind: 'cancelled', confirmed: true };

/** A site that takes up where the log was at the start of a window, and to which happens what came from outside then. */
export class ReplaySite {
  readonly history = new SiteHistory();
  readonly #plane: ControlPlane;
  readonly #clock: VirtualClock;
  readonly #swaps: ReplaySwaps;
  readonly #computes = new Map<ServerId, GpuCompute>();
  /** By lease. */
  readonly #running = new Map<string, Running>();
  /** How many attempts of a step have had their own end. */
  readonly #ended = new Map<string, number>();
  #toCome: number;
  #due = false;
  #cancelTick = (): void => {};

  constructor(
    private readonly recording: Recording,
    private readonly change: Change,
  ) {
    const { fromMs, swaps } = recording;
    const folds = { book: bookOf(recording.book), ledger: ledgerOfLines(recording.ledger) };
    this.#clock = new VirtualClock();
    this.#plane = new ControlPlane(
      swaps.knownBytes,
      {
        task: ({ event }) => this.history.task(event, this.#nowMs, folds.book),
        lease: ({ event }) => this.history.lease(event, this.#nowMs),
      },
      folds,
      {
        skips: ({ id }) => recording.skipped.get(id) ?? [],
        items: ({ id }, stepId) => recording.items.get(`${id}/${stepId}`) ?? 0,
        waits: ({ id }, stepId) => recording.waits.lengthOf(id, stepId),
      },
    );
    const onChange = (): void => this.#wake();
    const at = (): string => this.#at;
    this.#swaps = new ReplaySwaps({ plane: this.#plane, clock: this.#clock, swaps, fromMs, at, onChange });
    this.#takeUp();
    this.#toCome = recording.inputs.filter(({ event }) => event.type === 'task.submitted').length;
    for (const input of inputsOf(recording, change, this.#plane.ledger.servers))
      this.#clock.at(input.atMs - fromMs, () => this.#happen(input));
    this.#wake();
  }

  /** Tasks of the window that are not over, those that have not come yet included. */
  get open(): number {
    return this.#toCome + this.#plane.book.open.size;
  }

  /** Goes on to this moment; milliseconds since 1970. */
  runTo(untilMs: number): void {
    this.#clock.run(untilMs - this.recording.fromMs);
  }

  get #nowMs(): number {
    return this.recording.fromMs + this.#clock.nowMs;
  }

  get #at(): string {
    return rfc3339Of(Math.floor(this.#nowMs));
  }

  #takeUp(): void {
    const { book, ledger, index } = this.#plane;
    this.history.takeUp(this.recording.start);
    for (const [serverId, { spec }] of ledger.servers)
      this.history.servesFrom(serverId, spec.kind === 'cpu', this.#nowMs);
    if (this.change.policy)
      this.#plane.tell([{ type: 'policy.changed', policy: this.change.policy, at: this.#at }], this.#nowMs);
    index.rebuild(this.#nowMs);
    this.#dropStrayLeases();
    this.#swaps.takeUp();
    for (const task of book.open.values()) {
      this.#expectExpiry(task.id);
      for (const { spec, attempt, lease, at } of activeSteps(task)) {
        const step = { taskId: task.id, stepId: spec.id, attempt };
        this.#run({ step, leaseId: lease.leaseId, token: lease.token, at }, lease.serverId, spec.requirement);
      }
      if (task.ending) this.#stop(task.id, this.recording.stopMs.get(task.id) ?? 0);
    }
  }

  /** Granted, and the attempt not begun or over already: the two logs are never at exactly one moment. */
  #dropStrayLeases(): void {
    const { book, ledger } = this.#plane;
    const live = new Set(
      [...book.open.values()].flatMap((task) => activeSteps(task).map(({ lease }) => lease.leaseId)),
    );
    for (const [serverId, { leases }] of ledger.servers) {
      const leaseIds = [...leases.keys()].filter((leaseId) => !live.has(leaseId));
      if (leaseIds.length > 0)
        this.#plane.allocate([{ type: 'lease.released', serverId, leaseIds, at: this.#at }]);
    }
  }

  #happen(input: Input): void {
    if (input.log === 'tasks') this.#toldOfTask(input.event);
    else this.#toldOfServer(input.event);
    this.#wake();
  }

  #toldOfTask(event: Extract<Input, { log: 'tasks' }>['event']): void {
    const [plane, nowMs] = [this.#plane, this.#nowMs];
    switch (event.type) {
      case 'task.submitted':
        this.#toCome -= 1;
        plane.accept(event, nowMs);
        return this.#expectExpiry(event.taskId);
      case 'workflow.submitted':
      case 'scheduling.paused':
      case 'scheduling.resumed':
      case 'policy.changed':
        return plane.tell([event], nowMs);
      case 'task.priority-changed':
        return plane.changePriority(event.taskId, event.priority, nowMs, this.#at);
      case 'task.moved':
        return plane.move(event.taskId, event.to, nowMs, this.#at);
      case 'step.answered':
        return plane.answer(event, nowMs);
      case 'task.cancel-requested':
      case 'task.cancelled': {
        const force = event.type === 'task.cancelled' ? event.cut === 'forced' : event.force;
        plane.cancel(event.taskId, nowMs, this.#at, force);
        return this.#stop(event.taskId, this.recording.stopMs.get(event.taskId) ?? 0);
      }
      case 'step.impossible':
        return plane.cannotRun(event, event.failure, nowMs);
      case 'task.failing':
      case 'task.failed':
        return plane.fail(event.taskId, event.failure, nowMs, this.#at);
      default:
        throw new Error(`${event.type} does not come from outside`);
    }
  }

  #toldOfServer(event: Extract<Input, { log: 'leases' }>['event']): void {
    if (event.type === 'server.configured') return this.#plane.allocate([event]);
    if (!('serverId' in event)) return;
    const server = this.#plane.ledger.servers.get(event.serverId);
    if (server === undefined) return;
    const isBack = event.type === 'server.state-changed' && event.state === 'up' && isAway(server.health);
    const isGone = event.type === 'server.state-changed' && event.state === 'down';
    if (isBack || isGone || event.type === 'server.removed') this.#lose(event.serverId);
    this.#plane.allocate([event]);
  }

  /** What runs there ends, and is tried again; what is loaded is gone. */
  #lose(serverId: ServerId): void {
    for (const running of this.#running.values())
      if (running.serverId === serverId) this.#end(running, { kind: 'failed', failure: LOST });
    this.#swaps.lose(serverId);
  }

  /** What runs of a task that was asked to stop is seen to have stopped so much later. */
  #stop(taskId: TaskId, afterMs: number): void {
    for (const running of this.#running.values()) {
      if (running.step.taskId !== taskId) continue;
      this.#clock.after(afterMs, () => {
        if (this.#running.has(running.leaseId)) this.#end(running, STOPPED);
      });
    }
  }

  #expectExpiry(taskId: TaskId): void {
    const task = this.#plane.book.open.get(taskId);
    const atMs = task && expiresAtMs(task);
    if (typeof atMs === 'number') this.#clock.at(atMs - this.recording.fromMs, () => this.#wake());
  }

  /** Decides once for everything that happens at this moment. */
  #wake(): void {
    if (this.#due) return;
    this.#due = true;
    this.#clock.after(0, () => this.#cycle());
  }

  #cycle(): void {
    this.#due = false;
    this.#cancelTick();
    const [plane, nowMs] = [this.#plane, this.#nowMs];
    this.#stopFailing();
    plane.expireQueued(nowMs);
    this.#swaps.drain();
    const isPaused = plane.book.pauses.has('queue');
    const { placements, loads, impossible } = isPaused ? NOTHING : plane.decide(nowMs, this.#swaps.busy);
    for (const { step, failure } of impossible) plane.cannotRun(step, failure, nowMs);
    for (const wish of loads) this.#swaps.begin(wish);
    for (const placement of placements) {
      const { step, serverId } = placement;
      this.#run(plane.dispatch(placement, nowMs, this.#at), serverId, step.requirement);
    }
    if (impossible.length > 0) return this.#wake();
    const tickMs = plane.index.isIdle || isPaused ? Infinity : TICK_MS;
    const nextMs = Math.min(tickMs, (plane.index.nextWakeMs() ?? Infinity) - nowMs);
    if (nextMs !== Infinity) this.#cancelTick = this.#clock.after(Math.max(0, nextMs), () => this.#wake());
  }

  /** A task that fails for good has what else runs of it stopped. */
  #stopFailing(): void {
    for (const running of this.#running.values())
      if (this.#plane.book.open.get(running.step.taskId)?.ending?.kind === 'failed')
        this.#end(running, STOPPED);
  }

  #run(attempt: UnderWay, serverId: ServerId, requirement: Requirement): void {
    const { taskId, stepId } = attempt.step;
    const { work } = this.recording;
    const key = requirementKey(requirement);
    const course = work.attempt(taskId, stepId, key, this.#ended.get(stepOf(taskId, stepId)) ?? 0);
    const workMs = work.workMsOn(course, serverId);
    const done = (): void => {
      const step = stepOf(taskId, stepId);
      this.#ended.set(step, (this.#ended.get(step) ?? 0) + 1);
      this.#end(running, course.outcome);
    };
    const abort =
      requirement.kind === 'cpu'
        ? this.#clock.after(workMs, done)
        : this.#computeOf(serverId).start(unitModel(key), { promptTokens: 0, outputTokens: workMs }, done);
    const running = { ...attempt, serverId, abort };
    this.#running.set(attempt.leaseId, running);
  }

  #end(running: Running, outcome: Outcome): void {
    running.abort();
    this.#running.delete(running.leaseId);
    this.#plane.end(running, outcome, this.#nowMs, this.#at);
    this.#wake();
  }

  #computeOf(serverId: ServerId): GpuCompute {
    const known = this.#computes.get(serverId) ?? new GpuCompute(this.#clock, UNIT_GPU);
    this.#computes.set(serverId, known);
    return known;
  }
}

const NOTHING = { placements: [], loads: [], impossible: [] };

const stepOf = (taskId: TaskId, stepId: StepId): string => `${taskId}/${stepId}`;

const isAway = (health: string): boolean => health === 'down' || health === 'suspect';
