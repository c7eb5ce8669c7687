import { nkeyAuthenticator, type ConnectionOptions } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';
import { startPlatform, type Platform } from '#apps/orchestra/launch/platform.js';
import type { Durability } from '#libs/broker/server-config.js';

export type BenchPlatform = Platform & {
  /** How a reader of events signs in at the broker. */
  readonly observer: Partial<ConnectionOptions>;
};

/** Broker and five services as `orchestra up` starts them, on a folder of their own. */
export const startBenchPlatform = async (options: {
  readonly dataDir: string;
  readonly durability: Durability;
  readonly servers?: string;
}): Promise<BenchPlatform> => {
  const platform = await startPlatform({
    servers: 'servers: []\n',
    port: 0,
    env: { ...process.env, ORCHESTRA_LOG_LEVEL: 'warn' },
    say: () => undefined,
    ...options,
  });
  const seed = platform.observerKeyFile === undefined ? null : readFileSync(platform.observerKeyFile);
  return {
    ...platform,
    observer: {
      inboxPrefix: '_INBOX_observer',
      ...(seed ? { authenticator: nkeyAuthenticator(new Uint8Array(seed)) } : {}),
    },
  };
};
