import type { Work } from '#libs/simulation/gpu-compute.js';
import { vramBytesOf, type SimModel } from '#libs/simulation/hardware.js';
import type { Listener, VirtualServer } from '#libs/simulation/virtual-server.js';

export type SwapRequest = { readonly model: SimModel; readonly work: Work; readonly listener: Listener };

/** A model on its way in, after those that have to leave for it. */
type Swap = {
  readonly model: SimModel;
  readonly evict: readonly SimModel[];
  readonly waiting: SwapRequest[];
};

type Verdict =
  | { readonly kind: 'join'; readonly swap: Swap }
  | { readonly kind: 'serve' }
  | { readonly kind: 'queue' }
  | { readonly kind: 'swap'; readonly evict: readonly SimModel[] };

/**
 * The scheduler of one llama-swap (its FIFO scheduler with matrix sets, 2026-08): a request joins the swap to its model
 * that is under way; else it goes straight to its model where that is ready and nobody evicts it; else it queues where its
 * swap would touch another swap or a model that still works; else its swap begins. When a swap ends or a model becomes
 * idle, the queue is judged again in its order, so A B C A B C becomes A A B B C C. Models stay until they are evicted.
 * When its server dies every request breaks. To unload it sends SIGTERM, after `unloadTimeout` SIGKILL, and then waits for
 * the end of the process without a limit (process_command.go, killProcess): one that does not end holds up its swap, and what
 * would touch that.
 */
export class SwapRouter {
  readonly #ready = new Map<string, SimModel>();
  readonly #inFlight = new Map<string, number>();
  readonly #swaps = new Map<string, Swap>();
  #queued: SwapRequest[] = [];

  constructor(private readonly server: VirtualServer) {
    server.watch({ died: () => this.#died() });
  }

  /** Loaded, or being loaded. */
  has(model: string): boolean {
    return this.#ready.has(model) || this.#swaps.has(model);
  }

  request(request: SwapRequest): void {
    if (!this.#carryOut(this.#judge(request.model), request)) this.#queued.push(request);
  }

  #died(): void {
    const broken = [...[...this.#swaps.values()].flatMap(({ waiting }) => waiting), ...this.#queued];
    this.#ready.clear();
    this.#inFlight.clear();
    this.#swaps.clear();
    this.#queued = [];
    for (const { listener } of broken) listener.onBroken?.();
  }

  /** Whether the request is out of the queue. */
  #carryOut(verdict: Verdict, request: SwapRequest): boolean {
    switch (verdict.kind) {
      case 'join':
        verdict.swap.waiting.push(request);
        return true;
      case 'serve':
        this.#serve(request);
        return true;
      case 'swap':
        this.#swap({ model: request.model, evict: verdict.evict, waiting: [request] });
        return true;
      case 'queue':
        return false;
    }
  }

  #judge(model: SimModel): Verdict {
    const swap = this.#swaps.get(model.model);
    if (swap) return { kind: 'join', swap };
    const evict = this.#evictionFor(model);
    if (this.#collides(model, evict)) return { kind: 'queue' };
    if (evict.length === 0 && this.#ready.has(model.model)) return { kind: 'serve' };
    if (evict.some((victim) => (this.#inFlight.get(victim.model) ?? 0) > 0)) return { kind: 'queue' };
    return { kind: 'swap', evict };
  }

  #collides(model: SimModel, evict: readonly SimModel[]): boolean {
    return [...this.#swaps.values()].some(
      (swap) =>
        evict.includes(swap.model) ||
        swap.evict.includes(model) ||
        swap.evict.some((victim) => evict.includes(victim)),
    );
  }

  /** Of the sets of models that leave room for this one, that which costs least to load again; the cost of a model is its bytes. */
  #evictionFor(model: SimModel): readonly SimModel[] {
    const bytes = (each: SimModel): number => vramBytesOf(each, this.server.slots);
    const present = [...this.#ready.values(), ...[...this.#swaps.values()].map((swap) => swap.model)];
    const others = present.filter((other) => other !== model);
    const takenBytes = others.reduce((sum, other) => sum + bytes(other), 0);
    return cheapestSet(others, bytes, takenBytes + bytes(model) - this.server.vramBytes);
  }

  #serve({ model, work, listener }: SwapRequest): void {
    this.#inFlight.set(model.model, (this.#inFlight.get(model.model) ?? 0) + 1);
    this.server.start(model.model, work, {
      ...listener,
      onDone: () => {
        const left = (this.#inFlight.get(model.model) ?? 1) - 1;
        this.#inFlight.set(model.model, left);
        listener.onDone();
        if (left === 0) this.#judgeQueue();
      },
    });
  }

  #swap(swap: Swap): void {
    this.#swaps.set(swap.model.model, swap);
    let leaving = swap.evict.length;
    if (leaving === 0) this.#load(swap);
    for (const victim of swap.evict) {
      this.server.unload(victim.model, () => {
        this.#ready.delete(victim.model);
        leaving -= 1;
        if (leaving === 0) this.#load(swap);
      });
    }
  }

  #load(swap: Swap): void {
    this.server.load(swap.model, () => {
      this.#swaps.delete(swap.model.model);
      this.#ready.set(swap.model.model, swap.model);
      for (const request of swap.waiting) this.#serve(request);
      this.#judgeQueue();
    });
  }

  #judgeQueue(): void {
    // Until a swap begins, all requests of one model are judged alike.
    const judged = new Map<SimModel, Verdict>();
    this.#queued = this.#queued.filter((request) => {
      const verdict = judged.get(request.model) ?? this.#judge(request.model);
      if (verdict.kind === 'swap') judged.clear();
      else judged.set(request.model, verdict);
      return !this.#carryOut(verdict, request);
    });
  }
}

/** The models with the least weight of those that take at least `roomBytes` together; all of them where that is not enough. */
const cheapestSet = (
  models: readonly SimModel[],
  bytesOf: (model: SimModel) => number,
  roomBytes: number,
): readonly SimModel[] => {
  let best = models;
  let leastWeight = Infinity;
  const choose = (from: number, chosen: readonly SimModel[], weight: number, missingBytes: number): void => {
    if (weight >= leastWeight) return;
    if (missingBytes <= 0) {
      best = chosen;
      leastWeight = weight;
      return;
    }
    for (let index = from; index < models.length; index += 1) {
      const model = models[index];
      if (model === undefined) return;
      choose(index + 1, [...chosen, model], weight + model.weightBytes, missingBytes - bytesOf(model));
    }
  };
  choose(0, [], 0, roomBytes);
  return best;
};
