import { EXECUTOR_SETTINGS } from '#apps/executor/executor.config.js';
import { GATEWAY_SETTINGS } from '#apps/gateway/gateway.config.js';
import { ALLOCATOR_SETTINGS } from '#apps/gpu-allocator/allocator.config.js';
import { RESULTS_SETTINGS } from '#apps/results/results.config.js';
import { SCHEDULER_SETTINGS } from '#apps/scheduler/scheduler.config.js';
import type { Settings } from '#libs/runtime/settings.js';

/** What each service reads from the environment. */
export const SERVICE_SETTINGS: Readonly<Record<string, Settings>> = {
  gateway: GATEWAY_SETTINGS,
  scheduler: SCHEDULER_SETTINGS,
  'gpu-allocator': ALLOCATOR_SETTINGS,
  executor: EXECUTOR_SETTINGS,
  results: RESULTS_SETTINGS,
};
