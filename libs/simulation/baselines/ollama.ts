import { vramBytesOf, type SimModel } from '#libs/simulation/hardware.js';
import type { Work } from '#libs/simulation/gpu-compute.js';
import type { VirtualClock } from '#libs/simulation/virtual-clock.js';
import type { Listener, VirtualServer } from '#libs/simulation/virtual-server.js';

/**
 * `asShipped`: requests for a model that is to be evicted still go past the line and keep it (ollama#17408). `fixed`: they
 * queue, as pull request 17416, not merged in 2026-08, has it.
 */
export type OllamaEdition = 'asShipped' | 'fixed';

/** A loaded model. */
type Runner = {
  readonly model: SimModel;
  refs: number;
  keepAliveMs: number;
  stopTimer: () => void;
};

type Wish = { readonly model: SimModel; readonly work: Work; readonly listener: Listener };

const MIB = 2 ** 20;

/** OLLAMA_KEEP_ALIVE. */
const KEEP_ALIVE_MS = 300_000;
/** OLLAMA_MAX_LOADED_MODELS: three per GPU. */
const LOADED_MAX = 3;
/** A model beside others must fit into this share of what is free. */
const FIT_SHARE = 0.8;

/**
 * One Ollama over one GPU, as its scheduler decides (server/sched.go at fb30760, of 2026-08): a request whose model is
 * loaded goes past everybody; all others stand in one line, whose first holds up the rest until its model is loaded. What
 * does not fit evicts one victim at a time, the shortest keep-alive first, then by name, idle ones before busy ones,
 * and waits for it. While a model unloads, ends of requests are not seen. Requests carry no keep_alive of their own:
 * with one, the shipped edition can hang for good. OLLAMA_MAX_QUEUE is taken to be large enough that none is refused.
 * When it dies, requests in the line break like those that run. An unload that does not end holds up its second loop, and with
 * it every request that needs a load; requests for models that are loaded still go past.
 */
export class Ollama {
  readonly #loaded = new Map<string, Runner>();
  readonly #line: Wish[] = [];
  /** What its second loop has still to look at: ends of requests and of keep-alive times. */
  readonly #completed: (() => void)[] = [];
  /** The request that holds up the line. */
  #first: Wish | null = null;
  #unloading = false;
  /** The first of the line, when it waits for an unload. */
  #afterUnload: (() => void) | null = null;

  constructor(
    readonly server: VirtualServer,
    private readonly clock: VirtualClock,
    private readonly edition: OllamaEdition,
  ) {
    server.watch({ died: () => this.#died() });
  }

  /** As `/api/ps` lists them: a model that is still loading is not there. */
  get loaded(): readonly SimModel[] {
    return [...this.#loaded.values()].map(({ model }) => model);
  }

  request(model: SimModel, work: Work, listener: Listener): void {
    const wish: Wish = { model, work, listener };
    const runner = this.#loaded.get(model.model);
    if (runner && !this.#refuses(runner)) {
      this.#use(runner, wish);
      return;
    }
    this.#line.push(wish);
    this.#serveNext();
  }

  /** The process is gone, with everything that it knew. */
  #died(): void {
    for (const { stopTimer } of this.#loaded.values()) stopTimer();
    const broken = this.#first === null ? [...this.#line] : [this.#first, ...this.#line];
    this.#loaded.clear();
    this.#line.length = 0;
    this.#completed.length = 0;
    this.#first = null;
    this.#unloading = false;
    this.#afterUnload = null;
    for (const { listener } of broken) listener.onBroken?.();
  }

  #serveNext(): void {
    if (this.#first !== null) return;
    const first = this.#line.shift();
    if (first === undefined) return;
    this.#first = first;
    this.#satisfy(first);
  }

  #satisfy(wish: Wish): void {
    const runner = this.#loaded.get(wish.model.model);
    if (runner && !this.#refuses(runner)) {
      this.#served(runner, wish);
    } else if (runner || this.#unloading) {
      this.#afterUnload = () => this.#satisfy(wish);
    } else if (this.#loaded.size > 0 && !this.#fitsBeside(wish.model)) {
      this.#afterUnload = () => this.#satisfy(wish);
      this.#evict();
    } else {
      this.#load(wish);
    }
  }

  #refuses(runner: Runner): boolean {
    return this.edition === 'fixed' && runner.keepAliveMs === 0;
  }

  #load(wish: Wish): void {
    this.server.load(wish.model, () => {
      const runner: Runner = { model: wish.model, refs: 0, keepAliveMs: KEEP_ALIVE_MS, stopTimer: () => {} };
      this.#loaded.set(wish.model.model, runner);
      this.#served(runner, wish);
    });
  }

  #served(runner: Runner, wish: Wish): void {
    this.#first = null;
    this.#use(runner, wish);
    this.#serveNext();
  }

  #fitsBeside(model: SimModel): boolean {
    if (this.#loaded.size >= LOADED_MAX) return false;
    const freeBytes = this.server.freeBytes;
    const predictedBytes = vramBytesOf(model, this.server.slots);
    const batchBytes = batchSurchargeBytes(model.numCtx * this.server.slots, predictedBytes / freeBytes);
    return predictedBytes + batchBytes <= FIT_SHARE * freeBytes;
  }

  #evict(): void {
    const order = [...this.#loaded.values()].toSorted(
      (a, b) => a.keepAliveMs - b.keepAliveMs || (a.model.model < b.model.model ? -1 : 1),
    );
    const victim = order.find(({ refs }) => refs === 0) ?? order[0];
    if (victim === undefined) return;
    victim.keepAliveMs = 0;
    victim.stopTimer();
    if (victim.refs === 0) this.#complete(() => this.#expire(victim));
  }

  #use(runner: Runner, { work, listener }: Wish): void {
    runner.refs += 1;
    runner.stopTimer();
    this.server.start(runner.model.model, work, {
      ...listener,
      onDone: () => {
        this.#complete(() => this.#release(runner));
        listener.onDone();
      },
    });
  }

  /** Hands an event to the second loop, which stands still while it unloads. */
  #complete(event: () => void): void {
    if (this.#unloading) this.#completed.push(event);
    else event();
  }

  #release(runner: Runner): void {
    runner.refs -= 1;
    if (runner.refs > 0) return;
    if (runner.keepAliveMs === 0) {
      this.#expire(runner);
      return;
    }
    runner.stopTimer = this.clock.after(runner.keepAliveMs, () => this.#complete(() => this.#expire(runner)));
  }

  /** The end of a keep-alive time; a request that came meanwhile brings the runner back here when it ends. */
  #expire(runner: Runner): void {
    if (runner.refs > 0 || this.#loaded.get(runner.model.model) !== runner) return;
    this.#loaded.delete(runner.model.model);
    this.#unloading = true;
    this.server.unload(runner.model.model, () => {
      this.#unloading = false;
      while (!this.#unloading) {
        const event = this.#completed.shift();
        if (event === undefined) break;
        event();
      }
      const waiting = this.#afterUnload;
      this.#afterUnload = null;
      waiting?.();
    });
  }
}

/**
 * Bytes that the prediction adds for the batch, whose size follows the context of all slots: none up to 4,096 tokens,
 * 768 MiB up to 32,768, 2 GiB above; a batch is one size smaller where the model alone needs more than 75 % (60 %) of what is free.
 */
const batchSurchargeBytes = (contextTokens: number, shareOfFree: number): number => {
  if (contextTokens > 32_768 && shareOfFree <= 0.6) return 2_048 * MIB;
  if (contextTokens > 4_096 && shareOfFree <= 0.75) return 768 * MIB;
  return 0;
};
