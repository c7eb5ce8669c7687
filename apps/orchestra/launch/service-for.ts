import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServiceName } from '#libs/contracts/subjects.js';
import { SECRET_PREFIX_DEFAULT, SECRET_SETTINGS } from '#libs/secrets/secret.settings.js';
import { LogFile } from './log-file.js';
import { nodeFlagsOf } from './node-flags.js';
import type { PlatformOptions } from './platform-options.js';
import { ServiceProcess } from './service-process.js';

/** Each service finds those that it asks already there; the gateway comes last, when there is someone to answer. */
export const SERVICE_ORDER: readonly ServiceName[] = [
  'results',
  'gpu-allocator',
  'scheduler',
  'executor',
  'gateway',
];

/** The built program: `dist`, also where this file runs as source in a test. */
const HERE = fileURLToPath(new URL('../../../', import.meta.url));
const BUILT = basename(HERE) === 'dist' ? HERE : join(HERE, 'dist');
const OWN_TEMPLATES = join(BUILT, '..', 'templates');

/** Values of secrets, and the key of their store, are for the executor alone. */
const withoutSecrets = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const prefix = env['ORCHESTRA_SECRETS_ENV_PREFIX'] || SECRET_PREFIX_DEFAULT;
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => name !== SECRET_SETTINGS.secretsKey.env && !name.startsWith(prefix),
    ),
  );
};

/** What is known once broker, port and servers file are there. */
type Found = {
  readonly natsUrl: string;
  readonly port: number;
  readonly serversFile: string;
  readonly keyFile: string | undefined;
};

/** A service as a process that is not started yet, with its log. */
export const serviceFor = (service: ServiceName, options: PlatformOptions & Found): ServiceProcess => {
  const { dataDir, env, say, onLog } = options;
  const log = new LogFile(join(dataDir, 'logs', `${service}.log`), say);
  return new ServiceProcess({
    service,
    program: process.execPath,
    args: [...nodeFlagsOf(service), '--enable-source-maps', join(BUILT, 'apps', service, 'main.js')],
    env: {
      ...(service === 'executor' ? env : withoutSecrets(env)),
      NATS_URL: options.natsUrl,
      ...(options.keyFile === undefined ? {} : { ORCHESTRA_NKEY_FILE: options.keyFile }),
      ORCHESTRA_DATA_DIR: dataDir,
      ORCHESTRA_SERVERS_FILE: options.serversFile,
      ORCHESTRA_POLICY_FILE: env['ORCHESTRA_POLICY_FILE'] || join(dataDir, 'policy.yaml'),
      ORCHESTRA_NOTIFICATIONS_FILE:
        env['ORCHESTRA_NOTIFICATIONS_FILE'] || join(dataDir, 'notifications.yaml'),
      ORCHESTRA_PORT: String(options.port),
      // Those of the package where the user has no folder of their own, whatever the working folder is.
      ORCHESTRA_TEMPLATES_DIR: env['ORCHESTRA_TEMPLATES_DIR'] || OWN_TEMPLATES,
    },
    log,
    ...(onLog === undefined ? {} : { onLine: (line: string) => onLog(service, line) }),
    say,
    random: Math.random,
  });
};
