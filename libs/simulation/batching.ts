/**
 * What batched decoding makes of a GPU: tokens per second of n requests of one model together, over those of one
 * request alone. Measured on an RTX 3090 with an 8B model (llama.cpp PR 15802); n = 7 lies between its neighbours.
 */
const THROUGHPUT_BY_REQUESTS = [1, 1, 1.8, 2.5, 3.0, 3.3, 3.5, 3.6, 3.75];

/** The factor for `requests` that generate at once; beyond eight nothing was measured, and it stays where it is. */
export const batchThroughput = (requests: number): number =>
  THROUGHPUT_BY_REQUESTS[Math.min(requests, THROUGHPUT_BY_REQUESTS.length - 1)] ?? 1;

/** The most that up to `slots` requests of a model make of a GPU. */
export const bestThroughput = (slots: number): number =>
  Math.max(...Array.from({ length: Math.max(1, slots) }, (_, n) => batchThroughput(n + 1)));
