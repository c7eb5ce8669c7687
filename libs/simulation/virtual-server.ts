import { GpuCompute, type Work } from './gpu-compute.js';
import { vramBytesOf, type SimModel, type SimServer } from './hardware.js';
import { between, logNormal, type Random } from './random.js';
import { SPAWN_MS, UNLOAD_MS } from './speeds.js';
import type { VirtualClock } from './virtual-clock.js';
import type { VirtualHost } from './virtual-host.js';

/** A model that occupies VRAM. */
export type Resident = {
  readonly model: SimModel;
  readonly bytes: number;
  readonly state: 'loading' | 'loaded' | 'unloading';
  /** Requests that have a slot, and those that wait for one; at most `slots` run. */
  readonly running: number;
  readonly waiting: number;
};

export type Request = { readonly abort: () => void };

/** `onStarted`: a slot was taken. `onDone`: the last token is there. Neither is called after an abort. */
export type Listener = { readonly onStarted?: () => void; readonly onDone: () => void };

type Held = {
  readonly model: SimModel;
  readonly bytes: number;
  state: Resident['state'];
  running: number;
  readonly waiting: (() => void)[];
};

/**
 * An inference server with one GPU, as far as scheduling can tell: what is loaded, what that costs, how long requests
 * take. It decides nothing: what it is told to load it loads, also beyond its VRAM, and counts that. Loads run one after
 * the other and beside requests; a resident has its bytes from the order to load until its unload is over.
 */
export class VirtualServer {
  readonly serverId: string;
  readonly slots: number;
  readonly vramBytes: number;
  loads = 0;
  /** Orders to load that made the residents larger than the VRAM. */
  overcommits = 0;
  readonly #compute: GpuCompute;
  readonly #held = new Map<string, Held>();
  readonly #loadLine: (() => void)[] = [];
  #usedBytes = 0;
  #loading = false;

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

  get residents(): readonly Resident[] {
    return [...this.#held.values()].map(asResident);
  }

  resident(model: string): Resident | undefined {
    const held = this.#held.get(model);
    return held && asResident(held);
  }

  /** Throws when the model is resident in any state. */
  load(model: SimModel, done: () => void): void {
    const known = this.#held.get(model.model);
    if (known) {
      throw new Error(
        `load of '${model.model}' on '${this.serverId}': it is ${known.state} — expected it absent`,
      );
    }
    const bytes = vramBytesOf(model, this.slots);
    const held: Held = { model, bytes, state: 'loading', running: 0, waiting: [] };
    this.#held.set(model.model, held);
    this.#usedBytes += bytes;
    this.loads += 1;
    if (this.#usedBytes > this.vramBytes) this.overcommits += 1;
    this.#loadLine.push(() => this.#read(held, done));
    this.#loadNext();
  }

  /** Throws unless the model is loaded and idle: who unloads has drained it. */
  unload(model: string, done: () => void): void {
    const held = this.#loaded(model, 'unload');
    if (held.running > 0) {
      throw new Error(
        `unload of '${model}' on '${this.serverId}': ${held.running} requests run — expected none`,
      );
    }
    held.state = 'unloading';
    const driverMs = between(this.random, UNLOAD_MS.driverLeast, UNLOAD_MS.driverMost);
    this.clock.after(UNLOAD_MS.process + driverMs, () => {
      this.#held.delete(model);
      this.#usedBytes -= held.bytes;
      done();
    });
  }

  /** Takes a slot of a loaded model, or waits in line for one. Throws unless the model is loaded. */
  start(model: string, work: Work, { onStarted, onDone }: Listener): Request {
    const held = this.#loaded(model, 'request');
    const begin = (): void => {
      held.running += 1;
      const stop = this.#compute.start(held.model, work, () => {
        abort = nothing;
        this.#leave(held);
        onDone();
      });
      abort = () => {
        stop();
        this.#leave(held);
      };
      onStarted?.();
    };
    let abort = (): void => {
      held.waiting.splice(held.waiting.indexOf(begin), 1);
    };
    if (held.running < this.slots) begin();
    else held.waiting.push(begin);
    return {
      abort: () => {
        const run = abort;
        abort = nothing;
        run();
      },
    };
  }

  #leave(held: Held): void {
    held.running -= 1;
    held.waiting.shift()?.();
  }

  #loaded(model: string, purpose: string): Held {
    const held = this.#held.get(model);
    if (held?.state !== 'loaded') {
      throw new Error(
        `${purpose} of '${model}' on '${this.serverId}': it is ${held?.state ?? 'absent'} — expected it loaded`,
      );
    }
    return held;
  }

  #loadNext(): void {
    if (this.#loading) return;
    const next = this.#loadLine.shift();
    if (next === undefined) return;
    this.#loading = true;
    const { median, sigma, least, most } = SPAWN_MS;
    const spawnMs = Math.min(most, Math.max(least, logNormal(this.random, median, sigma)));
    this.clock.after(spawnMs, next);
  }

  #read(held: Held, done: () => void): void {
    this.host.read(held.model.model, held.model.weightBytes, () => {
      held.state = 'loaded';
      this.#loading = false;
      this.#loadNext();
      done();
    });
  }
}

const asResident = ({ model, bytes, state, running, waiting }: Held): Resident => ({
  model,
  bytes,
  state,
  running,
  waiting: waiting.length,
});

const nothing = (): void => {};
