import { COMMON_SETTINGS, DATA_DIR } from '#libs/runtime/common.settings.js';
import { integer, loadSettings, type Loaded, type Setting } from '#libs/runtime/settings.js';
import { parseAllowed, type AllowEntry } from '#libs/outgoing-http/address-rules.js';
import { PROGRAM_SETTINGS } from './program.settings.js';
import { SECRET_SETTINGS } from '#libs/secrets/secret.settings.js';

const httpAllow: Setting<readonly AllowEntry[]> = {
  env: 'ORCHESTRA_HTTP_ALLOW',
  meaning:
    'What steps may send HTTP requests to besides the public internet: `wiki.lan, 10.0.0.0/8:8080, [fd00::/8]:*`. Without a port: 80 and 443.',
  fallback: '',
  accepts: 'hosts, addresses and ranges, with commas between, each with :port or :* where wanted',
  parse: parseAllowed,
};

export const EXECUTOR_SETTINGS = {
  ...COMMON_SETTINGS,
  dataDir: DATA_DIR,
  noProgressMs: integer({
    env: 'ORCHESTRA_NO_PROGRESS_MS',
    meaning:
      'A model that sends no token for this long, once it has begun, is given up (NO_PROGRESS). There is no limit on the total time.',
    fallback: 120_000,
    min: 1_000,
    max: 86_400_000,
    unit: 'milliseconds',
  }),
  firstTokenMs: integer({
    env: 'ORCHESTRA_FIRST_TOKEN_MS',
    meaning: 'Longest wait for the first token: reading a long prompt takes minutes on a CPU.',
    fallback: 900_000,
    min: 1_000,
    max: 86_400_000,
    unit: 'milliseconds',
  }),
  outputMaxBytes: integer({
    env: 'ORCHESTRA_OUTPUT_MAX_BYTES',
    meaning:
      "Largest output of a step. It travels in one message, so the broker's limit of 1 MiB is the end.",
    fallback: 512 * 1024,
    min: 1024,
    max: 900 * 1024,
    unit: 'bytes',
  }),
  httpAllow,
  ...PROGRAM_SETTINGS,
  ...SECRET_SETTINGS,
};

export type ExecutorConfig = Loaded<typeof EXECUTOR_SETTINGS>;

export const loadExecutorConfig = (): ExecutorConfig => loadSettings(EXECUTOR_SETTINGS, process.env);
