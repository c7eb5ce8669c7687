/** What one attempt used. Durations in milliseconds whatever unit the server reports; absent means not known. */
export type ModelUsage = {
  readonly model: string;
  /** Waiting for the server to load the model; near 0 when it was resident. */
  readonly loadMs: number;
  readonly promptMs: number;
  readonly generationMs: number;
  /** From the request's first byte to the answer's last, as the server measured it. */
  readonly totalMs: number;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly vramBytes?: number;
};
