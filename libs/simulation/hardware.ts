/** Machines to simulate. Sizes in bytes, speeds in tokens per second; figures of the presets have their source beside them. */
export type Hardware = {
  readonly name: string;
  readonly host: Host;
  /** One inference server per GPU. */
  readonly servers: readonly SimServer[];
};

/** What the servers share: a disk, and main memory in which recently read files stay. */
export type Host = {
  /** Files up to this total stay in memory and load at `warmBytesPerS`; the least recently read goes first. */
  readonly pageCacheBytes: number;
  readonly diskBytesPerS: number;
  readonly warmBytesPerS: number;
};

export type SimServer = {
  readonly serverId: string;
  readonly gpu: Gpu;
  /** Requests that a loaded model serves at once. */
  readonly slots: number;
};

export type Gpu = {
  readonly name: string;
  readonly vramBytes: number;
  /** Generation and prompt speed of an 8B model of `REFERENCE_BYTES` with one request. */
  readonly generateTokensPerS: number;
  readonly promptTokensPerS: number;
};

export type SimModel = {
  readonly model: string;
  readonly weightBytes: number;
  readonly kvBytesPerToken: number;
  /** Context of every request, so that a model has one profile. */
  readonly numCtx: number;
};

/** Weights of the 8B model (Q4_K_M) that the speeds of a GPU are given for. */
export const REFERENCE_BYTES = 4.58 * 2 ** 30;

/** Weights, and the key/value cache of every slot. */
export const vramBytesOf = (model: SimModel, slots: number): number =>
  Math.ceil(model.weightBytes + model.kvBytesPerToken * model.numCtx * slots);
