import { COMMON_SETTINGS, SNAPSHOT_EVERY_EVENTS } from '#libs/runtime/common.settings.js';
import { integer, loadSettings, optionalText, type Loaded } from '#libs/runtime/settings.js';

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
  policyFile: optionalText({
    env: 'ORCHESTRA_POLICY_FILE',
    meaning:
      'File with the settings of the policy (see "Policy"); read again whenever it changes. Without it the defaults hold.',
  }),
  snapshotEveryEvents: SNAPSHOT_EVERY_EVENTS,
};

export type SchedulerConfig = Loaded<typeof SCHEDULER_SETTINGS>;

export const loadSchedulerConfig = (): SchedulerConfig => loadSettings(SCHEDULER_SETTINGS, process.env);
