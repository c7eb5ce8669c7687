import { can, predictedBytes, tagged, type SimModel } from './catalogue.js';
import type { Faults } from './faults.js';
import { HttpFailure } from './http-failure.js';
import { KEEP_ALIVE_DEFAULT_MS, type KeepAliveMs } from './keep-alive.js';
import { between, type Random } from '#libs/simulation/random.js';
import { needsReload, type RunOptions } from './runner-options.js';
import type { SimClock } from './sim-clock.js';
import { SimRunner } from './sim-runner.js';

/**
 * Which models are loaded, decided as the real server decides it (server/sched.go): a request whose model is loaded
 * with the same options goes past everybody; all others stand in one line, and the first of the line holds up the rest
 * until its model is loaded. What does not fit makes room by evicting one victim at a time, and the victim is waited
 * for, however long its requests take. New requests for the victim still go past, which is how the real one starves.
 */
export type SchedulerSettings = {
  readonly vramBytes: number;
  /** OLLAMA_NUM_PARALLEL. */
  readonly parallel: number;
  /** OLLAMA_MAX_LOADED_MODELS. */
  readonly modelsMax: number;
  /** OLLAMA_MAX_QUEUE. */
  readonly queueMax: number;
  /**
   * `as-shipped`: a request that names a keep-alive restores the one that is being evicted, and the line waits for it for
   * as long as that says, which may be for ever (issue 17408). `fixed`: an eviction stands.
   */
  readonly evictions: 'as-shipped' | 'fixed';
};

export type Wish = {
  readonly model: SimModel;
  readonly options: RunOptions['runner'];
  readonly keepAliveMs: KeepAliveMs | undefined;
  readonly signal: AbortSignal;
};

export type Grant = { readonly runner: SimRunner; readonly release: () => void };

type Pending = Wish & { readonly grant: (grant: Grant) => void; readonly fail: (error: unknown) => void };

/** A model beside others must fit into this share of what is free. */
const FIT_SHARE = 0.8;
/** Milliseconds to start a runner, and bytes per millisecond from an NVMe disk. */
const SPAWN_MS = [500, 1_500] as const;
const READ_BYTES_PER_MS = 2.65e6;
/** Milliseconds to end a runner and see its memory come back. */
const UNLOAD_MS = [700, 1_700] as const;

export class SimScheduler {
  readonly loaded = new Map<string, SimRunner>();
  readonly #line: Pending[] = [];
  /** Runners whose process has ended and whose memory is not back yet. */
  readonly #leaving = new Set<SimRunner>();
  readonly #stopped = new AbortController();
  #serving = false;
  /** VRAM of what is loaded, loading or unloading. */
  vramUsedBytes = 0;
  vramUsedMaxBytes = 0;
  loads = 0;
  unloads = 0;
  loading: string | undefined;
  /** The model whose end the line waits for. */
  evicting: string | undefined;

  constructor(
    private readonly settings: SchedulerSettings,
    private readonly clock: SimClock,
    private readonly faults: Faults,
    private readonly random: Random,
    private readonly onChange: () => void,
  ) {}

  get queued(): number {
    return this.#line.length;
  }

  acquire(wish: Wish): Promise<Grant> {
    const runner = this.loaded.get(wish.model.name);
    if (runner && !needsReload(runner.options, wish.options)) return Promise.resolve(this.#use(runner, wish));
    if (this.#line.length >= this.settings.queueMax) return Promise.reject(queueFull());
    return new Promise((grant, fail) => {
      this.#line.push({ ...wish, grant, fail });
      void this.#serve();
    });
  }

  #use(runner: SimRunner, { keepAliveMs }: Wish): Grant {
    const stands = runner.doomed && this.settings.evictions === 'fixed';
    return { runner, release: runner.use(stands ? undefined : keepAliveMs) };
  }

  /** The order to unload: at once when idle, else when its last request ends. */
  expire(model: string): void {
    const runner = this.loaded.get(tagged(model));
    runner?.markExpired();
    runner?.doom();
  }

  /** Takes every model down at once, as the end of the process does. */
  stop(): void {
    this.#stopped.abort();
    for (const runner of this.loaded.values()) runner.setGone();
    this.loaded.clear();
  }

  async #serve(): Promise<void> {
    if (this.#serving) return;
    this.#serving = true;
    for (let pending = this.#line.shift(); pending; pending = this.#line.shift()) {
      if (pending.signal.aborted) pending.fail(canceled());
      else await this.#satisfy(pending).catch(pending.fail);
    }
    this.#serving = false;
  }

  async #satisfy(pending: Pending): Promise<void> {
    for (;;) {
      const runner = this.loaded.get(pending.model.name);
      if (runner && !needsReload(runner.options, pending.options))
        return pending.grant(this.#use(runner, pending));
      // The driver gives memory back late; a placement that did not wait would evict or spill without need.
      if (!runner) await Promise.all([...this.#leaving].map(({ gone }) => gone));
      const victim = runner ?? this.#victimFor(pending);
      if (!victim) return this.#load(pending);
      victim.doom();
      this.evicting = victim.model.name;
      await victim.gone;
      this.evicting = undefined;
    }
  }

  /** Nothing has to go when nothing is loaded, even if the model does not fit: it spills to the CPU then. */
  #victimFor(wish: Wish): SimRunner | undefined {
    if (this.loaded.size === 0) return undefined;
    const free = this.settings.vramBytes - this.vramUsedBytes;
    const fits = this.#neededBytes(wish) <= FIT_SHARE * free;
    if (fits && this.loaded.size < this.settings.modelsMax) return undefined;
    const order = [...this.loaded.values()].toSorted(
      (a, b) => a.keepAliveMs - b.keepAliveMs || (a.model.name < b.model.name ? -1 : 1),
    );
    return order.find((runner) => runner.refs === 0) ?? order[0];
  }

  async #load(pending: Pending): Promise<void> {
    const { model } = pending;
    const sizeBytes = this.#neededBytes(pending);
    const vramBytes = Math.max(0, Math.min(sizeBytes, this.settings.vramBytes - this.vramUsedBytes));
    this.loading = model.name;
    this.#occupy(vramBytes);
    try {
      await this.clock.sleep(this.#loadMs(model), pending.signal).catch(() => Promise.reject(canceled()));
      const failure = this.faults.strike('load-failure', model.name);
      if (failure)
        throw new HttpFailure(500, failure.message ?? 'llama runner process has terminated: exit status 2');
    } catch (error) {
      this.#occupy(-vramBytes);
      throw error;
    } finally {
      this.loading = undefined;
    }
    const runner = new SimRunner(
      model,
      pending.options,
      { sizeBytes, vramBytes },
      this.#parallel(model),
      pending.keepAliveMs ?? KEEP_ALIVE_DEFAULT_MS,
      this.clock,
      (expired) => void this.#unload(expired),
    );
    this.loads += 1;
    this.loaded.set(model.name, runner);
    pending.grant(this.#use(runner, pending));
    this.onChange();
  }

  async #unload(runner: SimRunner): Promise<void> {
    if (runner.unloading) return;
    runner.unloading = true;
    while (this.faults.strike('stuck-unload', runner.model.name)) await this.faults.changed();
    if (runner.refs > 0) {
      // It was found again while its unload was stuck; the end of that request brings it back here.
      runner.unloading = false;
      return;
    }
    this.loaded.delete(runner.model.name);
    this.#leaving.add(runner);
    this.unloads += 1;
    this.onChange();
    await this.clock.sleep(between(this.random, ...UNLOAD_MS), this.#stopped.signal).catch(() => undefined);
    this.#occupy(-runner.memory.vramBytes);
    this.#leaving.delete(runner);
    runner.setGone();
  }

  #occupy(bytes: number): void {
    this.vramUsedBytes += bytes;
    this.vramUsedMaxBytes = Math.max(this.vramUsedMaxBytes, this.vramUsedBytes);
  }

  #loadMs(model: SimModel): number {
    return model.loadMs ?? between(this.random, ...SPAWN_MS) + model.sizeBytes / READ_BYTES_PER_MS;
  }

  #neededBytes(wish: Wish): number {
    return predictedBytes(wish.model, wish.options.num_ctx, this.#parallel(wish.model));
  }

  /** A model that only embeds gets one slot. */
  #parallel(model: SimModel): number {
    return can(model, 'completion') ? this.settings.parallel : 1;
  }
}

export const queueFull = (): HttpFailure =>
  new HttpFailure(503, 'server busy, please try again.  maximum pending requests exceeded');

/** Nobody reads it: the client is gone. The real server writes it all the same. */
const canceled = (): HttpFailure => new HttpFailure(499, 'request canceled');
