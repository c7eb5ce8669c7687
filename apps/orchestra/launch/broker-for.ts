import { nkeyAuthenticator } from '@nats-io/transport-node';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ARTIFACT_SETTINGS } from '#libs/artifacts/artifact.settings.js';
import { provisionAs, startBroker, type Broker } from '#libs/broker/broker.js';
import { loadSettings } from '#libs/runtime/settings.js';
import { endLeftBrokers } from './left-broker.js';
import type { PlatformOptions } from './platform-options.js';
import { freePort, freePortNear } from './ports.js';

/** Where the broker's configuration lies; its path is what tells our broker from others. */
export const brokerConfigIn = (dataDir: string): string => join(dataDir, 'nats', 'nats-server.conf');

/** Where readers of events on this machine find the address of the broker. */
export const brokerUrlFileIn = (dataDir: string): string => join(dataDir, 'nats', 'url');

/** The broker of NATS_URL, or one of our own on the data folder. */
export const brokerFor = async (
  options: PlatformOptions,
): Promise<{ readonly broker: Broker | null; readonly natsUrl: string }> => {
  const { natsUrl, natsPort, adminSeed, dataDir, durability, env, say } = options;
  const { artifactsMaxBytes } = ARTIFACT_SETTINGS;
  const sizes = loadSettings({ artifactsMaxBytes }, env);
  if (natsUrl !== undefined) {
    say(`using the broker at ${natsUrl}`);
    await provisionAs(
      natsUrl,
      adminSeed ? { authenticator: nkeyAuthenticator(new Uint8Array(adminSeed)) } : {},
      sizes,
    );
    await noteUrl(dataDir, natsUrl);
    return { broker: null, natsUrl };
  }
  await endLeftBrokers(brokerConfigIn(dataDir), say);
  const port = natsPort === undefined ? await freePort() : await freePortNear(natsPort);
  const broker = await startBroker({ dataDir, durability, env, say, port, ...sizes });
  await noteUrl(dataDir, broker.url);
  say(`broker runs: nats-server ${broker.version}, ${durability}, ${broker.url}`);
  return { broker, natsUrl: broker.url };
};

const noteUrl = async (dataDir: string, url: string): Promise<void> => {
  const file = brokerUrlFileIn(dataDir);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, url);
};
