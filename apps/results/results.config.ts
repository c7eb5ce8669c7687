import { ARTIFACT_SETTINGS } from '#libs/artifacts/artifact.settings.js';
import { COMMON_SETTINGS, DATA_DIR } from '#libs/runtime/common.settings.js';
import { integer, loadSettings, optionalText, type Loaded } from '#libs/runtime/settings.js';

export const RESULTS_SETTINGS = {
  ...COMMON_SETTINGS,
  dataDir: DATA_DIR,
  databaseUrl: optionalText({
    env: 'ORCHESTRA_DATABASE_URL',
    meaning:
      'PostgreSQL database for the read model instead of the SQLite file, for queries of your own or very many tasks.',
    secret: true,
    pattern: /^postgres(ql)?:\/\/[^\s]+$/,
    accepts: 'postgresql://user:password@host:port/database',
  }),
  notificationsFile: optionalText({
    env: 'ORCHESTRA_NOTIFICATIONS_FILE',
    meaning:
      'File with channels and rules of notifications (see "Notifications"); read again whenever it changes. Without it there are none.',
  }),
  ...ARTIFACT_SETTINGS,
  lagReadyMax: integer({
    env: 'ORCHESTRA_RESULTS_LAG_MAX',
    meaning:
      'Events that the read model may be behind the log before the service says that it is not ready, unless it catches up.',
    fallback: 10_000,
    min: 1,
    max: 10_000_000,
    unit: 'events',
  }),
};

export type ResultsConfig = Loaded<typeof RESULTS_SETTINGS>;

export const loadResultsConfig = (): ResultsConfig => loadSettings(RESULTS_SETTINGS, process.env);
