/** By when the first step starts at the latest, if servers stay, nothing is repeated and no attempt takes longer than expected. */
export type StartPromise = {
  readonly startBy: string;
  /** For how long in all later work may be put before it. */
  readonly allowanceMs: number;
  /** The work ahead of it, had one server to do all of it. */
  readonly aheadMs: number;
  /** The longest that any attempt of what is ahead was expected to take, and the longest swap of models. */
  readonly attemptMs: number;
  readonly swapMs: number;
};
