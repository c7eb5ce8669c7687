import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceName } from '#libs/contracts/subjects.js';
import type { RunningPlatform } from './running-platform.js';

export type SecondService = {
  readonly pid: number;
  readonly instance: string;
  readonly stop: () => Promise<void>;
  /** SIGKILL; nobody starts it again. */
  readonly kill: () => Promise<void>;
};

/**
 * Another process of a service beside the one that the launcher watches, with the same key and the same configuration. It writes
 * its log beside that of the first one, as `second-<service>.log`.
 */
export const startSecond = async (
  platform: RunningPlatform,
  service: ServiceName,
  env: NodeJS.ProcessEnv = {},
): Promise<SecondService> => {
  const instance = `second-${service}`;
  const log = await open(join(platform.dataDir, 'logs', `${instance}.log`), 'a');
  const child = spawn(process.execPath, [join('dist/apps', service, 'main.js')], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NATS_URL: platform.natsUrl,
      ORCHESTRA_NKEY_FILE: join(platform.dataDir, 'keys', `${service}.nk`),
      ORCHESTRA_DATA_DIR: platform.dataDir,
      ORCHESTRA_SERVERS_FILE: join(platform.dataDir, 'test-servers.yaml'),
      ORCHESTRA_LOG_LEVEL: 'fatal',
      ORCHESTRA_INSTANCE: instance,
      ORCHESTRA_LEASE_TTL_MS: '2000',
      ...env,
    },
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  });
  const gone = once(child, 'exit');
  await log.close();
  // A service says to its launcher that it has started; it ends by itself when that channel closes.
  await once(child, 'message');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await gone;
  };
  return {
    pid: Number(child.pid),
    instance,
    stop: async () => await end('SIGTERM'),
    kill: async () => await end('SIGKILL'),
  };
};
