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

/** What calls to one model used together; the memory is that of the last one that told it. */
export const addUsage = (one: ModelUsage, other: ModelUsage): ModelUsage => {
  const vramBytes = other.vramBytes ?? one.vramBytes;
  return {
    model: one.model,
    loadMs: one.loadMs + other.loadMs,
    promptMs: one.promptMs + other.promptMs,
    generationMs: one.generationMs + other.generationMs,
    totalMs: one.totalMs + other.totalMs,
    tokensIn: one.tokensIn + other.tokensIn,
    tokensOut: one.tokensOut + other.tokensOut,
    ...(vramBytes === undefined ? {} : { vramBytes }),
  };
};
