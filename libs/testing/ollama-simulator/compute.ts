import { batchThroughput } from '#libs/simulation/batching.js';

/** A model of which a part is on the CPU is about ten times slower. */
export const SPILLED_SLOWDOWN = 10;

/**
 * The GPU under all loaded models. Each model that generates gets an equal part of it, and the requests of one model are decoded
 * together, which makes more of that part than one request alone can.
 */
export class Compute {
  activeMax = 0;
  readonly #requests = new Map<string, number>();

  get active(): number {
    let active = 0;
    for (const requests of this.#requests.values()) active += requests;
    return active;
  }

  /** Counts a request that computes, until the returned function is called. */
  enter(model: string): () => void {
    this.#add(model, 1);
    this.activeMax = Math.max(this.activeMax, this.active);
    return () => this.#add(model, -1);
  }

  /** How much slower each request of the model is than it would be alone. */
  slowdown(model: string): number {
    const requests = Math.max(1, this.#requests.get(model) ?? 0);
    return (Math.max(1, this.#requests.size) * requests) / batchThroughput(requests);
  }

  #add(model: string, change: number): void {
    const requests = (this.#requests.get(model) ?? 0) + change;
    if (requests > 0) this.#requests.set(model, requests);
    else this.#requests.delete(model);
  }
}
