import { batchThroughput } from '#libs/simulation/batching.js';

/** A model of which a part is on the CPU is about ten times slower. */
export const SPILLED_SLOWDOWN = 10;

/** The GPU under all loaded models: requests that generate at the same time share it. */
export class Compute {
  active = 0;
  activeMax = 0;

  /** Counts a request that computes, until the returned function is called. */
  enter(): () => void {
    this.active += 1;
    this.activeMax = Math.max(this.activeMax, this.active);
    return () => {
      this.active -= 1;
    };
  }

  /** How much slower each request is than it would be alone. */
  slowdown(): number {
    const requests = Math.max(1, this.active);
    return requests / batchThroughput(requests);
  }
}
