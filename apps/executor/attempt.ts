import type { StepDispatched } from '#libs/domain/task/events.js';
import type { StepTimes } from '#libs/domain/task/step-spec.js';

/** The time that an attempt has run out of. */
export type TimeLimit = keyof StepTimes;

/** One dispatched step in this executor's hands. */
export type Attempt = {
  readonly dispatch: StepDispatched;
  /** Sequence of the dispatch. */
  readonly seq: number;
  readonly abort: AbortController;
  /** Why it was aborted, once it was. */
  ending: 'cancelled' | 'lease-lost' | 'stopping' | TimeLimit | null;
  /** The allocator has accepted the token. */
  taken: boolean;
  /** By this time, in milliseconds since 1970, the lease must have been renewed. */
  deadlineMs: number;
  traceparent: string | undefined;
};
