import { GpuCompute, type Work } from './gpu-compute.js';
import { vramBytesOf, type SimModel, type SimServer } from './hardware.js';
import { between, logNormal, type Random } from './random.js';
import { asResident, type Held, type Resident } from './resident.js';
import { SPAWN_MS, UNLOAD_MS } from './speeds.js';
import type { VirtualClock } from './virtual-clock.js';
import type { VirtualHost } from './virtual-host.js';

export type Request = { readonly abort: () => void };

/** `onStarted`: a slot was taken. `onDone`: the last token is there. `onBroken`: the server died before. None is called after an abort. */
export type Listener = {
  readonly onStarted?: () => void;
  readonly onDone: () => void;
  readonly onBroken?: () => void;
};

/** `died`: after its requests have broken. `back`: it answers again, with nothing loaded. */
export type Watcher = { readonly died?: () => void; readonly back?: () => void };

/** A request that has not ended. */
type Open = { readonly listener: Listener; abort: () => void };

/**
 * An inference server with one GPU, as far as scheduling can tell: what is loaded, what that costs, how long requests
 * take. It decides nothing: what it is told to load it loads, also beyond its VRAM, and counts that. Loads run one after
 * the other and beside requests; a resident has its bytes from the order to load until its unload is over. It may die, and be told
 * that an unload takes long: see `outages.ts`.
 */
export class VirtualServer {
  readonly serverId: string;
  readonly slots: number;
  readonly vramBytes: number;
  loads = 0;
  /** Orders to load that made the residents larger than the VRAM. */
  overcommits = 0;
  deaths = 0;
  /** GPU time that requests had been given when the server died under them. */
  brokenMs = 0;
  readonly #compute: GpuCompute;
  readonly #held = new Map<string, Held>();
  readonly #loadLine: (() => void)[] = [];
  readonly #open = new Set<Open>();
  readonly #watchers: Watcher[] = [];
  #usedBytes = 0;
  #loadingSinceMs: number | null = null;
  #up = true;
  #slowUnload: SlowUnload | null = null;

  constructor(
    private readonly clock: VirtualClock,
    private readonly host: VirtualHost,
    private readonly random: Random,
    server: SimServer,
  ) {
    this.serverId = server.serverId;
    this.slots = server.slots;
    this.vramBytes = server.gpu.vramBytes;
    this.#compute = new GpuCompute(clock, server.gpu);
  }

  /** Below 0 when more is loaded than fits. */
  get freeBytes(): number {
    return this.vramBytes - this.#usedBytes;
  }

  /** Time so far in which at least one request was computing. */
  get busyMs(): number {
    return this.#compute.busyMs;
  }

  /** Whether it answers. While it does not, it can be told nothing. */
  get isUp(): boolean {
    return this.#up;
  }

  /** For how long the load that is under way has been; null where there is none. */
  get loadingForMs(): number | null {
    return this.#loadingSinceMs === null ? null : this.clock.nowMs - this.#loadingSinceMs;
  }

  /** Whether a request has a slot. */
  get isWorking(): boolean {
    return [...this.#held.values()].some(({ running }) => running > 0);
  }

  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
  }

  /** It stops answering: requests break, and what was loaded or was being loaded is gone. Throws when it is down. */
  die(): void {
    this.#mustBeUp('death');
    this.#up = false;
    this.deaths += 1;
    this.brokenMs += this.#compute.stop();
    for (const { cancel } of this.#held.values()) cancel();
    this.#held.clear();
    this.#loadLine.length = 0;
    this.#usedBytes = 0;
    this.#loadingSinceMs = null;
    const broken = [...this.#open];
    this.#open.clear();
    for (const request of broken) request.abort = nothing;
    for (const { listener } of broken) listener.onBroken?.();
    for (const { died } of this.#watchers) died?.();
  }

  /** It answers again, with nothing loaded. */
  comeBack(): void {
    if (this.#up) throw new Error(`return of '${this.serverId}': it is up — expected it down`);
    this.#up = true;
    for (const { back } of this.#watchers) back?.();
  }

  /** The next unload takes so long, in milliseconds; Infinity: it ends when the server dies. `onBegun`: it has begun. */
  slowNextUnload(lastsMs: number, onBegun: () => void): void {
    this.#slowUnload = { lastsMs, onBegun };
  }

  get residents(): readonly Resident[] {
    return [...this.#held.values()].map(asResident);
  }

  resident(model: string): Resident | undefined {
    const held = this.#held.get(model);
    return held && asResident(held);
  }

  /** Throws when the model is resident in any state. */
  load(model: SimModel, done: () => void): void {
    this.#mustBeUp(`load of '${model.model}'`);
    const known = this.#held.get(model.model);
    if (known) {
      throw new Error(
        `load of '${model.model}' on '${this.serverId}': it is ${known.state} — expected it absent`,
      );
    }
    const bytes = vramBytesOf(model, this.slots);
    const held: Held = {
      model,
      bytes,
      state: 'loading',
      running: 0,
      waiting: [],
      gone: [],
      cancel: nothing,
    };
    this.#held.set(model.model, held);
    this.#usedBytes += bytes;
    this.loads += 1;
    if (this.#usedBytes > this.vramBytes) this.overcommits += 1;
    this.#loadLine.push(() => this.#spawn(held, done));
    this.#loadNext();
  }

  /** Throws unless the model is loaded and idle, since who unloads has drained it, or is unloading: then both wait for the same end. */
  unload(model: string, done: () => void): void {
    const unloading = this.#held.get(model);
    if (unloading?.state === 'unloading') {
      unloading.gone.push(done);
      return;
    }
    const held = this.#loaded(model, 'unload');
    if (held.running > 0) {
      throw new Error(
        `unload of '${model}' on '${this.serverId}': ${held.running} requests run — expected none`,
      );
    }
    held.state = 'unloading';
    held.gone.push(done);
    const slow = this.#slowUnload;
    this.#slowUnload = null;
    const driverMs = between(this.random, UNLOAD_MS.driverLeast, UNLOAD_MS.driverMost);
    const lastsMs = slow?.lastsMs ?? UNLOAD_MS.process + driverMs;
    if (lastsMs !== Infinity) held.cancel = this.clock.after(lastsMs, () => this.#drop(held));
    slow?.onBegun();
  }

  #drop(held: Held): void {
    this.#held.delete(held.model.model);
    this.#usedBytes -= held.bytes;
    for (const done of held.gone) done();
  }

  /** Takes a slot of a loaded model, or waits in line for one. Throws unless the model is loaded. */
  start(model: string, work: Work, listener: Listener): Request {
    const held = this.#loaded(model, 'request');
    const begin = (): void => {
      held.running += 1;
      const stop = this.#compute.start(held.model, work, () => {
        this.#close(request);
        this.#leave(held);
        listener.onDone();
      });
      request.abort = () => {
        stop();
        this.#leave(held);
      };
      listener.onStarted?.();
    };
    const request: Open = {
      listener,
      abort: () => void held.waiting.splice(held.waiting.indexOf(begin), 1),
    };
    this.#open.add(request);
    if (held.running < this.slots) begin();
    else held.waiting.push(begin);
    return { abort: () => this.#close(request)() };
  }

  /** What is left to do to abort it. */
  #close(request: Open): () => void {
    const { abort } = request;
    request.abort = nothing;
    this.#open.delete(request);
    return abort;
  }

  #mustBeUp(purpose: string): void {
    if (!this.#up) throw new Error(`${purpose} on '${this.serverId}': it is down — expected it up`);
  }

  #leave(held: Held): void {
    held.running -= 1;
    held.waiting.shift()?.();
  }

  #loaded(model: string, purpose: string): Held {
    this.#mustBeUp(`${purpose} of '${model}'`);
    const held = this.#held.get(model);
    if (held?.state !== 'loaded') {
      throw new Error(
        `${purpose} of '${model}' on '${this.serverId}': it is ${held?.state ?? 'absent'} — expected it loaded`,
      );
    }
    return held;
  }

  #loadNext(): void {
    if (this.#loadingSinceMs !== null) return;
    this.#loadLine.shift()?.();
  }

  #spawn(held: Held, done: () => void): void {
    this.#loadingSinceMs = this.clock.nowMs;
    const { median, sigma, least, most } = SPAWN_MS;
    const spawnMs = Math.min(most, Math.max(least, logNormal(this.random, median, sigma)));
    held.cancel = this.clock.after(spawnMs, () => this.#read(held, done));
  }

  #read(held: Held, done: () => void): void {
    held.cancel = this.host.read(held.model.model, held.model.weightBytes, () => {
      held.state = 'loaded';
      held.cancel = nothing;
      this.#loadingSinceMs = null;
      this.#loadNext();
      done();
    });
  }
}

type SlowUnload = { readonly lastsMs: number; readonly onBegun: () => void };

const nothing = (): void => {};
