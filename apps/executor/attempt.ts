import type { StepDispatched } from '#libs/domain/task/events.js';

/** One dispatched step in this executor's hands. */
export type Attempt = {
  readonly dispatch: StepDispatched;
  readonly abort: AbortController;
  /** Why it was aborted, once it was. */
  ending: 'cancelled' | 'lease-lost' | 'stopping' | null;
  /** The allocator has accepted the token. */
  taken: boolean;
  /** By this time, in milliseconds since 1970, the lease must have been renewed. */
  deadlineMs: number;
  traceparent: string | undefined;
};
