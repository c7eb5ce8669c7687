import { COMMON_SETTINGS, SNAPSHOT_EVERY_EVENTS } from '#libs/runtime/common.settings.js';
import { integer, loadSettings, type Loaded } from '#libs/runtime/settings.js';

export const SCHEDULER_SETTINGS = {
  ...COMMON_SETTINGS,
  openTasksMax: integer({
    env: 'ORCHESTRA_OPEN_TASKS_MAX',
    meaning:
      'Tasks that may be open at once; a submission beyond it is refused with QUEUE_FULL. Each open task costs memory in the scheduler.',
    fallback: 100_000,
    min: 1,
    max: 10_000_000,
  }),
  swapPatienceMs: integer({
    env: 'ORCHESTRA_SWAP_PATIENCE_MS',
    meaning:
      'How long the first task of a model that is not loaded waits before a loaded model with work of its own is drained for it. Higher means fewer swaps and longer waits.',
    fallback: 15_000,
    min: 0,
    max: 86_400_000,
    unit: 'milliseconds',
  }),
  loadRetryMs: integer({
    env: 'ORCHESTRA_LOAD_RETRY_MS',
    meaning: 'Pause before a failed model load is tried again on the same server.',
    fallback: 10_000,
    min: 100,
    max: 3_600_000,
    unit: 'milliseconds',
  }),
  loadFailuresMax: integer({
    env: 'ORCHESTRA_LOAD_FAILURES_MAX',
    meaning:
      'Failed loads of a model on every server after which the tasks that wait for it fail with the reason.',
    fallback: 3,
    min: 1,
    max: 100,
  }),
  snapshotEveryEvents: SNAPSHOT_EVERY_EVENTS,
};

export type SchedulerConfig = Loaded<typeof SCHEDULER_SETTINGS>;

export const loadSchedulerConfig = (): SchedulerConfig => loadSettings(SCHEDULER_SETTINGS, process.env);
