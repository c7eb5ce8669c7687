import type { SimModel } from './hardware.js';

/** A workload: everything that will be submitted. A scheduler learns of a task when its time comes, and of its output when it ends. */
export type Trace = {
  readonly name: string;
  /** `batch`: all is there at the start. `open`: tasks arrive over time. */
  readonly kind: 'batch' | 'open';
  readonly seed: number;
  readonly models: readonly SimModel[];
  readonly workspaces: readonly { readonly name: string; readonly weight: number }[];
  /** In order of `atMs`. */
  readonly tasks: readonly SimTask[];
  /** What goes wrong with the servers; absent where nothing does. */
  readonly outages?: readonly Outage[];
};

/** One misfortune of one server. Times are milliseconds, moments count from the start of the trace. */
export type Outage = Death | SlowUnload;

/** It stops answering at the first moment from `fromMs` on in which it does this, at `byMs` at the latest, and answers again `downMs` later. */
export type Death = {
  readonly kind: 'death';
  /** Its place in the machine, from 0. */
  readonly server: number;
  readonly during: 'load' | 'request';
  readonly fromMs: number;
  readonly byMs: number;
  readonly downMs: number;
};

/** The first unload from `fromMs` on takes `lastsMs`. A server whose unload is not over after `restartAfterMs` is restarted by its operator. */
export type SlowUnload = {
  readonly kind: 'slow-unload';
  readonly server: number;
  readonly fromMs: number;
  /** Null: it never ends. */
  readonly lastsMs: number | null;
  readonly restartAfterMs: number;
  /** For how long a restart takes it away. */
  readonly restartMs: number;
};

export type SimTask = {
  readonly id: string;
  /** When it is submitted; milliseconds from the start of the trace. */
  readonly atMs: number;
  readonly workspace: string;
  /** 1 to 10; 10 goes first. */
  readonly priority: number;
  readonly model: string;
  readonly promptTokens: number;
  /** What it will really generate. */
  readonly outputTokens: number;
  /** What its submission allows (`num_predict`); at least `outputTokens`. Schedulers know this one. */
  readonly outputTokensMax: number;
  /** Tasks that must be done first; each stands earlier in the trace. */
  readonly after: readonly string[];
  /** When it should be done; milliseconds from the start of the trace. */
  readonly deadlineMs: number | null;
};
