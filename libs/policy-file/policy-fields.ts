import type { PolicySettings } from '#libs/domain/policy/settings.js';

/** A line of the policy file. Durations stand there with a unit: `90s`, `5m`. */
export type PolicyField = {
  readonly name: string;
  readonly key: Exclude<keyof PolicySettings, 'weights'>;
  readonly unit: 'duration' | 'share' | 'count';
  readonly min: number;
  readonly max: number;
  readonly meaning: string;
};

const DAY_MS = 86_400_000;

export const POLICY_FIELDS: readonly PolicyField[] = [
  {
    name: 'aging',
    key: 'agingMs',
    unit: 'duration',
    min: 0,
    max: DAY_MS,
    meaning: 'A level of priority is worth this much waiting: nothing that comes later by more goes first.',
  },
  {
    name: 'swap_lead',
    key: 'swapLeadMs',
    unit: 'duration',
    min: 0,
    max: DAY_MS,
    meaning:
      'A loaded model with work of its own keeps its place until the work for another one is ahead of it by so much, waiting and priority counted together. Longer means fewer swaps and longer waits.',
  },
  {
    name: 'swap_after_loads',
    key: 'swapAfterLoads',
    unit: 'count',
    min: 0,
    max: 1000,
    meaning:
      'While a server works, a model on it that was in use lately and has no work now goes for another one when what waits for that has waited, all of it added up, for so many times its load; 0 for at once. More means fewer swaps where work comes by and by.',
  },
  {
    name: 'swap_share_max',
    key: 'swapShareMax',
    unit: 'share',
    min: 0.01,
    max: 0.9,
    meaning:
      'Most of its time that a server spends on swapping while all of its models have work: a loaded model serves so long before it yields.',
  },
  {
    name: 'overtaken_max',
    key: 'overtakenMaxMs',
    unit: 'duration',
    min: 1000,
    max: 30 * DAY_MS,
    meaning:
      'For how long in all later work may be put before a step of priority 10; each level less allows as much again. Then nothing that came later starts before it where it could run.',
  },
  {
    name: 'fair_quantum',
    key: 'fairQuantumMs',
    unit: 'duration',
    min: 1000,
    max: DAY_MS,
    meaning:
      'Service (time times share of GPU memory, by weight) that a workspace may have had more than the least served one with work to do, before others go first.',
  },
  {
    name: 'deadline_lead',
    key: 'deadlineLeadMs',
    unit: 'duration',
    min: 0,
    max: DAY_MS,
    meaning:
      'A task goes first from so long before the moment at which it would have to start to keep its deadline.',
  },
  {
    name: 'copy_after_loads',
    key: 'copyAfterLoads',
    unit: 'count',
    min: 1,
    max: 1_000_000,
    meaning:
      'A second copy of a model is loaded on an idle server when what waits for it would keep its copies busy for longer than so many times its load; 1000000 for never.',
  },
  {
    name: 'load_retry',
    key: 'loadRetryMs',
    unit: 'duration',
    min: 100,
    max: 3_600_000,
    meaning: 'Pause before a failed model load is tried again on the same server.',
  },
  {
    name: 'load_failures_max',
    key: 'loadFailuresMax',
    unit: 'count',
    min: 1,
    max: 100,
    meaning:
      'Failed loads of a model on every server after which the tasks that wait for it fail with the reason.',
  },
];
