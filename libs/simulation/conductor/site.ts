import type { Failure } from '#libs/domain/errors.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import { profileKey, type ModelProfile } from '#libs/domain/gpu/profile.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import type { MoveTo } from '#libs/domain/task/move-events.js';
import type { Outcome } from '#libs/domain/task/outcome.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { vramBytesOf, type Hardware, type SimModel, type SimServer } from '../hardware.js';
import type { Random } from '../random.js';
import type { VirtualClock } from '../virtual-clock.js';
import { startServers } from '../virtual-machine.js';
import type { Request, VirtualServer } from '../virtual-server.js';
import { EPOCH_MS } from './epoch.js';
import type { Placement } from '#libs/domain/policy/snapshot.js';
import { ControlPlane, type Dispatched, type Heard, type Submission } from './control-plane.js';
import { rootOf } from './child-tasks.js';
import { ModelSwaps } from './model-swaps.js';
import { ServerCare } from './server-care.js';

/** Nothing happens, but what time alone changes is seen this soon: turns that end, pauses after failed loads. */
const TICK_MS = 1_000;

/** Forecasts are made no more often, as in the scheduler. */
const FORESEE_EVERY_MS = 1_000;

export type SiteOptions = {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly hardware: Hardware;
  readonly models: readonly SimModel[];
  readonly policy: PolicySettings;
  /** Share of what is free into which a server loads a model beside others; absent for what Ollama does. */
  readonly besideShare?: number;
  readonly heard?: Heard;
  /** Starts are predicted, which takes as long as all decisions; true where nothing is said. */
  readonly foresees?: boolean;
  /** An attempt begins to work. */
  readonly onStarted?: (attempt: Dispatched, told: ToldStart) => void;
  /** An attempt has reported that it is complete; the task may go on. */
  readonly onEnded?: (attempt: Dispatched) => void;
  readonly onImpossible?: (taskId: string, failure: Failure) => void;
};

/** What was told of the start of a step before it came: the latest, and when it became ready, the probable one. */
export type ToldStart = { readonly boundMs: number | null; readonly predictedMs: number | null };

/** What a request of a step asks of its server. */
export type Asked = { readonly promptTokens: number; readonly outputTokens: number };

export type RunningAttempt = { readonly attempt: Dispatched; readonly request: Request };

/** The platform and its servers: production's folds, deciders and policy over virtual machines and a virtual clock. */
export class Site {
  readonly plane: ControlPlane;
  readonly servers: ReadonlyMap<string, VirtualServer>;
  /** By lease. */
  readonly running = new Map<string, RunningAttempt>();
  readonly #swaps: ModelSwaps;
  readonly #care: ServerCare;
  /** Servers on which attempts have failed at this moment. */
  readonly #suspects = new Set<string>();
  readonly #asked = new Map<string, Asked>();
  #due = false;
  #foreseeAtMs = 0;
  #cancelTick = (): void => {};

  constructor(private readonly options: SiteOptions) {
    const { clock, random, hardware, models, policy, heard } = options;
    const servers = startServers(hardware, clock, random);
    this.servers = new Map(servers.map((server) => [server.serverId, server]));
    const slots = Math.max(...hardware.servers.map((server) => server.slots));
    const bytes = models.map((model) => [profileKey(profileOf(model)), vramBytesOf(model, slots)] as const);
    this.plane = new ControlPlane(new Map(bytes), heard);
    this.plane.begin(policy);
    const onChange = (): void => this.wake();
    const about = { plane: this.plane, servers: this.servers, clock, onChange };
    const onTrouble = (serverId: string): void => this.#care.look(serverId);
    this.#swaps = new ModelSwaps({ ...about, models, onTrouble });
    this.#care = new ServerCare({ ...about, swaps: this.#swaps });
    this.plane.configure(
      hardware.servers.map((server) => specOf(server, options.besideShare)),
      this.at,
    );
    for (const server of servers) {
      const { serverId } = server;
      this.plane.allocate([
        { type: 'server.state-changed', serverId, state: 'up', foreign: [], at: this.at },
      ]);
      server.watch({ died: () => this.#died(serverId), back: () => this.#care.back(serverId) });
    }
    this.wake();
  }

  get nowMs(): number {
    return EPOCH_MS + this.options.clock.nowMs;
  }

  get at(): string {
    return rfc3339Of(Math.floor(this.nowMs));
  }

  /** `asked` says what each step asks of its server. Null when the submission was accepted. */
  submit(submission: Submission, asked: Asked): Failure | null {
    this.#asked.set(submission.taskId, asked);
    this.wake();
    return this.plane.submit(submission, this.nowMs);
  }

  /** The attempt reports. One that was given up before has no effect. */
  report(attempt: Dispatched, outcome: Outcome): void {
    this.running.delete(attempt.leaseId);
    if (outcome.kind === 'completed') this.options.onEnded?.(attempt);
    this.plane.end(attempt, outcome, this.nowMs, this.at);
    this.wake();
  }

  /** Decides once for everything that happens at this moment. */
  wake(): void {
    if (this.#due) return;
    this.#due = true;
    this.options.clock.after(0, () => this.#cycle());
  }

  /** Asks a task to stop; what runs of it is seen to have stopped so much later. */
  cancel(taskId: string, stopsAfterMs: number, force = false): void {
    this.plane.cancel(taskId, this.nowMs, this.at, force);
    for (const { attempt, request } of this.running.values()) {
      if (rootOf(attempt.step.taskId, this.plane.book) !== taskId && attempt.step.taskId !== taskId) continue;
      this.options.clock.after(stopsAfterMs, () => {
        if (!this.running.has(attempt.leaseId)) return;
        request.abort();
        this.report(attempt, { kind: 'cancelled', confirmed: true });
      });
    }
    this.wake();
  }

  changePriority(taskId: string, priority: number): void {
    this.plane.changePriority(taskId, priority, this.nowMs, this.at);
    this.wake();
  }

  move(taskId: string, to: MoveTo): void {
    this.plane.move(taskId, to, this.nowMs, this.at);
    this.wake();
  }

  /** Whoever ran it is gone: nobody reports, and its lease expires. */
  loseAttempt({ attempt, request }: RunningAttempt): void {
    request.abort();
    this.running.delete(attempt.leaseId);
    this.plane.expire(attempt, this.nowMs, this.at);
    this.wake();
  }

  /** Its attempts have failed by now. Whoever used it looks at once; without that the next look finds out. */
  #died(serverId: string): void {
    const isNoticed = this.#suspects.delete(serverId) || this.#swaps.busy.has(serverId);
    this.#swaps.died(serverId);
    if (isNoticed) this.#care.look(serverId);
    else this.#care.lookSoon(serverId);
  }

  /** In the middle of an answer an executor calls it MODEL_STREAM_BROKEN: retried alike, but one of the template's attempts. */
  #unreachable(attempt: Dispatched): void {
    this.#suspects.add(attempt.serverId);
    const message = `${attempt.serverId} does not answer.`;
    this.report(attempt, { kind: 'failed', failure: { code: 'SERVER_UNREACHABLE', message } });
  }

  #cycle(): void {
    this.#due = false;
    this.#cancelTick();
    const { plane } = this;
    plane.expireQueued(this.nowMs);
    this.#stopFailing();
    const { placements, loads, impossible } = plane.decide(this.nowMs, this.#swaps.busy);
    for (const { step, failure } of impossible) this.#giveUp(step, failure);
    for (const wish of loads) this.#swaps.begin(wish);
    const refused = placements
      .map((placement) => this.#start(placement))
      .filter((attempt) => attempt !== null);
    if (refused.length > 0) this.options.clock.after(0, () => this.#refused(refused));
    this.#foresee();
    this.#expectNext(impossible.length > 0);
  }

  /** Nobody had noticed yet that these servers are gone. */
  #refused(attempts: readonly Dispatched[]): void {
    for (const attempt of attempts) this.#unreachable(attempt);
    for (const serverId of new Set(attempts.map((attempt) => attempt.serverId))) {
      this.#suspects.delete(serverId);
      this.#care.look(serverId);
    }
  }

  /** A task that fails for good has what else runs of it stopped. */
  #stopFailing(): void {
    for (const { attempt, request } of this.running.values()) {
      if (this.plane.book.open.get(attempt.step.taskId)?.ending?.kind !== 'failed') continue;
      request.abort();
      this.report(attempt, { kind: 'cancelled', confirmed: true });
    }
  }

  #expectNext(again: boolean): void {
    const { clock } = this.options;
    const { index } = this.plane;
    if (again) return this.wake();
    const tickMs = index.isIdle ? Infinity : TICK_MS;
    const nextMs = Math.min(tickMs, (index.nextWakeMs() ?? Infinity) - this.nowMs);
    if (nextMs !== Infinity) this.#cancelTick = clock.after(nextMs, () => this.wake());
  }

  #giveUp(step: Placement['step'], failure: Failure): void {
    this.options.onImpossible?.(step.taskId, failure);
    this.plane.cannotRun(step, failure, this.nowMs);
  }

  #foresee(): void {
    const { nowMs } = this;
    if (this.options.foresees === false || nowMs < this.#foreseeAtMs || !this.plane.index.predictions.isDue)
      return;
    this.#foreseeAtMs = nowMs + FORESEE_EVERY_MS;
    this.plane.foresee(nowMs, this.#swaps.busy);
  }

  /** The attempt, where its server did not take the request. */
  #start(placement: Placement): Dispatched | null {
    const { taskId, stepId } = placement.step;
    const predictedMs = this.plane.index.predictions.of(taskId, stepId);
    const attempt = this.plane.dispatch(placement, this.nowMs, this.at);
    const { step, serverId } = attempt;
    const { requirement } = step;
    const server = this.servers.get(serverId);
    const asked = this.#asked.get(rootOf(step.taskId, this.plane.book));
    if (requirement.kind !== 'model' || !server || !asked)
      throw new Error(`'${step.taskId}' was placed on '${serverId}' without a model`);
    if (!server.isUp) return attempt;
    const bound = this.plane.index.bounds.boundOf(step.taskId, step.stepId);
    this.options.onStarted?.(attempt, {
      boundMs: bound ? bound.startByMs - EPOCH_MS : null,
      predictedMs: predictedMs === undefined ? null : predictedMs - EPOCH_MS,
    });
    const request = server.start(requirement.profile.model, asked, {
      onDone: () => this.report(attempt, { kind: 'completed', output: null }),
      onBroken: () => this.#unreachable(attempt),
    });
    this.running.set(attempt.leaseId, { attempt, request });
    return null;
  }
}

export const profileOf = ({ model, numCtx }: SimModel): ModelProfile => ({ model, options: { numCtx } });

const specOf = ({ serverId, gpu, slots }: SimServer, besideShare: number | undefined): ServerSpec => ({
  serverId,
  kind: 'ollama',
  url: `http://${serverId}`,
  vramBytes: gpu.vramBytes,
  slots,
  device: 'gpu',
  labels: {},
  pullMissing: false,
  ...(besideShare === undefined ? {} : { besideShare }),
});
