import { DEFAULT_POLICY, type PolicySettings } from '#libs/domain/policy/settings.js';
import { llamaSwap } from '#libs/simulation/baselines/llama-swap.js';
import { ollamaFifo } from '#libs/simulation/baselines/ollama-fifo.js';
import { smartProxy } from '#libs/simulation/baselines/smart-proxy.js';
import { staticPriority } from '#libs/simulation/baselines/static-priority.js';
import { conductor } from '#libs/simulation/conductor/conductor.js';
import type { SimScheduler } from '#libs/simulation/run-record.js';

/** More than any trace lasts: what waits for it never happens. */
const NEVER_MS = 1e12;

const without = (name: string, change: Partial<PolicySettings>): SimScheduler =>
  conductor(`ours-without-${name}`, { ...DEFAULT_POLICY, ...change }, { besideShare: 1, foresees: false });

/** A server that fills its memory, as llama-server does; Ollama leaves a fifth of what is free beside other models. */
export const OURS = conductor('ours', DEFAULT_POLICY, { besideShare: 1 });
export const OURS_ON_OLLAMA = conductor('ours-on-ollama', DEFAULT_POLICY, { foresees: false });

/** Each layer of the policy switched off by its setting. */
export const ABLATIONS: readonly SimScheduler[] = [
  without('batches', { swapLeadMs: 0, swapShareMax: 0.9 }),
  without('priorities', { agingMs: 0 }),
  without('fair-shares', { fairQuantumMs: NEVER_MS }),
  without('must-run', { overtakenMaxMs: NEVER_MS }),
];

/** A deadline that nobody heeds changes nothing, and is judged all the same. */
const heedless = (scheduler: SimScheduler): SimScheduler => ({
  ...scheduler,
  run: (trace, hardware) =>
    scheduler.run({ ...trace, tasks: trace.tasks.map((task) => ({ ...task, deadlineMs: null })) }, hardware),
});

/**
 * On llama-swap's terms: no shares, no deadlines, no copies, and hardly a swap that is not needed; so that loads can be compared where
 * nothing else is asked for.
 */
export const OURS_AS_COLLATION = heedless(
  conductor(
    'ours-as-collation',
    {
      ...DEFAULT_POLICY,
      fairQuantumMs: NEVER_MS,
      copyAfterLoads: NEVER_MS,
      swapLeadMs: 7_200_000,
      swapAfterLoads: 30,
      overtakenMaxMs: 7_200_000,
    },
    { besideShare: 1, foresees: false },
  ),
);

/** What people do it with today. */
export const PEERS: readonly SimScheduler[] = [
  llamaSwap,
  ollamaFifo(1, 'asShipped'),
  ollamaFifo(4, 'asShipped'),
  staticPriority,
  smartProxy,
];

export const CONTESTANTS: readonly SimScheduler[] = [
  OURS,
  OURS_ON_OLLAMA,
  OURS_AS_COLLATION,
  ...PEERS,
  ...ABLATIONS,
];
