import type { LeaseId, StepId } from '../ids.js';

/** An attempt that was ended from outside, and how that is known. */
export type StoppedAttempt = {
  readonly stepId: StepId;
  readonly attempt: number;
  readonly leaseId: LeaseId;
  /**
   * `confirmed`: the server was seen free. `unconfirmed`: the connection was closed, the server did not say more.
   * `lease-expired`: the executor died, its connection with it. `ended-first`: it was done before it could be stopped.
   */
  readonly how: 'confirmed' | 'unconfirmed' | 'lease-expired' | 'ended-first';
};
