/**
 * What the owner of a site may set about the order of work. It is one file, it may change while everything runs, and each
 * change is a fact of the log, so that a decision of the past can be understood by the settings of its time.
 */
export type PolicySettings = {
  /** A level of priority is worth this much waiting: a task overtakes those of one level more that were submitted so much later. */
  readonly agingMs: number;
  /**
   * A loaded model with work of its own keeps its place until the work that waits for another model is ahead of it by so much,
   * waiting and priority counted together. More means fewer swaps and longer waits.
   */
  readonly swapLeadMs: number;
  /**
   * While a server works, a model on it that was in use lately and has no work now goes for another one when what waits for that has waited,
   * all of it added up, for so many times its load. More means fewer swaps where work comes by and by; 0: it goes at once, as on a
   * server that does nothing.
   */
  readonly swapAfterLoads: number;
  /** Share of its time that a server may spend on swapping while all of its models have work: a loaded model serves so long before it yields. */
  readonly swapShareMax: number;
  /**
   * For how long in all later work may be put before a step of priority 10; each level of priority less allows as much again. When it
   * is used up, nothing that was submitted later starts where the step could run, until it has started.
   */
  readonly overtakenMaxMs: number;
  /** Shares of workspaces; one that is not named has 1. */
  readonly weights: Readonly<Record<string, number>>;
  /** How much more service than the least served workspace with work to do one may have had before others go first. */
  readonly fairQuantumMs: number;
  /** A task goes first from so long before the moment at which it would have to start to be done by its deadline. */
  readonly deadlineLeadMs: number;
  /**
   * A second copy of a model is loaded on an idle server when what waits for it would keep its copies busy for longer than so many times
   * its load.
   */
  readonly copyAfterLoads: number;
  /** A failed load that may succeed later is not tried again on the same server before this. */
  readonly loadRetryMs: number;
  /** Failed loads of a model on every server after which the tasks that wait for it fail with the reason. */
  readonly loadFailuresMax: number;
};

/**
 * Chosen on the workloads of `npm run bench:policy`. A copy pays when what waits takes longer than its load and half of what waits: the
 * other half is then done beside it.
 */
export const DEFAULT_POLICY: PolicySettings = {
  agingMs: 90_000,
  swapLeadMs: 300_000,
  swapAfterLoads: 5,
  swapShareMax: 0.1,
  overtakenMaxMs: 120_000,
  weights: {},
  fairQuantumMs: 60_000,
  deadlineLeadMs: 30_000,
  copyAfterLoads: 2,
  loadRetryMs: 10_000,
  loadFailuresMax: 3,
};

export const weightOf = ({ weights }: PolicySettings, workspace: string): number => weights[workspace] ?? 1;

/** Highest priority of the API. */
export const PRIORITY_MAX = 10;

/** For how long in all later work may be put before a step of this priority. */
export const allowanceMs = ({ overtakenMaxMs }: PolicySettings, priority: number): number =>
  overtakenMaxMs * (PRIORITY_MAX + 1 - priority);
