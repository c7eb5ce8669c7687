import type { Failure } from '#libs/domain/errors.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import { profileKey, type ModelProfile } from '#libs/domain/gpu/profile.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import type { Outcome } from '#libs/domain/task/outcome.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { vramBytesOf, type Hardware, type SimModel, type SimServer } from '../hardware.js';
import type { Random } from '../random.js';
import type { VirtualClock } from '../virtual-clock.js';
import { startServers } from '../virtual-machine.js';
import type { Request, VirtualServer } from '../virtual-server.js';
import { EPOCH_MS } from './epoch.js';
import { ControlPlane, type Dispatched, type Heard, type Submission } from './control-plane.js';
import { ModelSwaps } from './model-swaps.js';

/** Nothing happens, but what time alone changes is seen this soon: turns that end, pauses after failed loads. */
const TICK_MS = 1_000;

export type SiteOptions = {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly hardware: Hardware;
  readonly models: readonly SimModel[];
  readonly policy: PolicySettings;
  /** Share of what is free into which a server loads a model beside others; absent for what Ollama does. */
  readonly besideShare?: number;
  readonly heard?: Heard;
  /** An attempt begins to work. */
  readonly onStarted?: (attempt: Dispatched, startByMs: number | null) => void;
  /** An attempt has reported; the task may go on. */
  readonly onEnded?: (attempt: Dispatched) => void;
  readonly onImpossible?: (taskId: string, failure: Failure) => void;
};

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
  readonly #asked = new Map<string, Asked>();
  #due = false;
  #cancelTick = (): void => {};

  constructor(private readonly options: SiteOptions) {
    const { clock, random, hardware, models, policy, heard } = options;
    const servers = startServers(hardware, clock, random);
    this.servers = new Map(servers.map((server) => [server.serverId, server]));
    const slots = Math.max(...hardware.servers.map((server) => server.slots));
    const bytes = models.map((model) => [profileKey(profileOf(model)), vramBytesOf(model, slots)] as const);
    this.plane = new ControlPlane(new Map(bytes), heard);
    this.plane.begin(policy);
    this.#swaps = new ModelSwaps(this.plane, this.servers, models, clock, () => this.wake());
    this.plane.configure(
      hardware.servers.map((server) => specOf(server, options.besideShare)),
      this.at,
    );
    for (const { serverId } of hardware.servers) this.serverState(serverId, 'up');
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

  serverState(serverId: string, state: 'up' | 'down'): void {
    this.plane.allocate([{ type: 'server.state-changed', serverId, state, foreign: [], at: this.at }]);
    this.wake();
  }

  /** The attempt reports. One that was given up before has no effect. */
  report(attempt: Dispatched, outcome: Outcome): void {
    this.running.delete(attempt.leaseId);
    this.options.onEnded?.(attempt);
    this.plane.end(attempt, outcome, this.nowMs, this.at);
    this.wake();
  }

  /** Decides once for everything that happens at this moment. */
  wake(): void {
    if (this.#due) return;
    this.#due = true;
    this.options.clock.after(0, () => this.#cycle());
  }

  /** The server stops answering: what runs on it fails at once, what was loaded is gone. */
  crash(serverId: string): void {
    this.#swaps.crashed(serverId);
    this.serverState(serverId, 'down');
    for (const { attempt, request } of this.running.values()) {
      if (attempt.serverId !== serverId) continue;
      request.abort();
      const message = `${serverId} does not answer.`;
      this.report(attempt, { kind: 'failed', failure: { code: 'SERVER_UNREACHABLE', message } });
    }
  }

  /** It answers again, with nothing loaded. */
  recover(serverId: string): void {
    this.#swaps.recover(serverId, () => this.serverState(serverId, 'up'));
  }

  /** Asks a task to stop; what runs of it is seen to have stopped so much later. */
  cancel(taskId: string, stopsAfterMs: number): void {
    this.plane.cancel(taskId, this.nowMs, this.at);
    for (const { attempt, request } of this.running.values()) {
      if (attempt.step.taskId !== taskId) continue;
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

  /** Whoever ran it is gone: nobody reports, and its lease expires. */
  loseAttempt({ attempt, request }: RunningAttempt): void {
    request.abort();
    this.running.delete(attempt.leaseId);
    this.plane.expire(attempt, this.nowMs, this.at);
    this.wake();
  }

  #cycle(): void {
    this.#due = false;
    this.#cancelTick();
    this.#stopFailing();
    const { plane } = this;
    const { placements, loads, impossible } = plane.decide(this.nowMs, this.#swaps.busy);
    for (const { step, failure } of impossible) this.#giveUp(step.taskId, failure);
    for (const wish of loads) this.#swaps.begin(wish);
    for (const placement of placements) this.#start(plane.dispatch(placement, this.nowMs, this.at));
    this.#expectNext(impossible.length > 0);
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
    const tickMs = index.ready.size > 0 ? TICK_MS : Infinity;
    const nextMs = Math.min(tickMs, (index.nextWakeMs() ?? Infinity) - this.nowMs);
    if (nextMs !== Infinity) this.#cancelTick = clock.after(nextMs, () => this.wake());
  }

  #giveUp(taskId: string, failure: Failure): void {
    this.options.onImpossible?.(taskId, failure);
    this.plane.fail(taskId, failure, this.nowMs, this.at);
  }

  #start(attempt: Dispatched): void {
    const { step, serverId } = attempt;
    const { requirement } = step;
    const server = this.servers.get(serverId);
    const asked = this.#asked.get(step.taskId);
    if (requirement.kind !== 'model' || !server || !asked)
      throw new Error(`'${step.taskId}' was placed on '${serverId}' without a model`);
    const bound = this.plane.index.bounds.boundOf(step.taskId, step.stepId);
    this.options.onStarted?.(attempt, bound ? bound.startByMs - EPOCH_MS : null);
    const request = server.start(requirement.profile.model, asked, {
      onDone: () => this.report(attempt, { kind: 'completed', output: null }),
    });
    this.running.set(attempt.leaseId, { attempt, request });
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
