/**
 * The GPU under all loaded models: requests that generate at the same time share it. Batched decoding makes more of
 * it than one request alone can; the factors are those measured on an RTX 3090 with an 8B model (llama.cpp PR 15802).
 */
const THROUGHPUT_BY_REQUESTS = [1, 1, 1.8, 2.5, 3.0, 3.3, 3.5, 3.6, 3.75];

/** A model of which a part is on the CPU is about ten times slower. */
export const SPILLED_SLOWDOWN = 10;

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
    const throughput = THROUGHPUT_BY_REQUESTS[Math.min(requests, THROUGHPUT_BY_REQUESTS.length - 1)] ?? 1;
    return requests / throughput;
  }
}
