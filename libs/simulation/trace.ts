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
