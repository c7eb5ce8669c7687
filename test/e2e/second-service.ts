import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ServiceName } from '#libs/contracts/subjects.js';
import type { RunningPlatform } from './running-platform.js';

/** Another process of a service beside the one that the launcher watches, with the same key and the same configuration. */
export const startSecond = async (
  platform: RunningPlatform,
  service: ServiceName,
): Promise<{ readonly stop: () => Promise<void> }> => {
  const child = spawn(process.execPath, [join('dist/apps', service, 'main.js')], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NATS_URL: platform.natsUrl,
      ORCHESTRA_NKEY_FILE: join(platform.dataDir, 'keys', `${service}.nk`),
      ORCHESTRA_DATA_DIR: platform.dataDir,
      ORCHESTRA_SERVERS_FILE: join(platform.dataDir, 'test-servers.yaml'),
      ORCHESTRA_LOG_LEVEL: 'fatal',
      ORCHESTRA_INSTANCE: `second-${service}`,
      ORCHESTRA_LEASE_TTL_MS: '2000',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const gone = once(child, 'exit');
  // A service says to its launcher that it has started; it ends by itself when that channel closes.
  await once(child, 'message');
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
    },
  };
};
