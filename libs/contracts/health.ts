import type { ServiceName } from './subjects.js';

/** How a service is, with the progress that proves it. `ready` is false when it is up but does not get on. */
export type HealthReport = {
  readonly service: ServiceName;
  readonly instance: string;
  readonly live: boolean;
  readonly ready: boolean;
  /** Why not ready; empty when ready. */
  readonly reasons: readonly string[];
  /** Positions, lags, counts. */
  readonly progress: Readonly<Record<string, string | number | boolean>>;
  readonly version: string;
  readonly upSinceMs: number;
};
