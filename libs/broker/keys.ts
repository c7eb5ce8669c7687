import { createUser, fromSeed } from '@nats-io/nkeys';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BROKER_USERS, type BrokerUser } from './permissions.js';

export type Keys = {
  readonly publicKeys: Readonly<Record<BrokerUser, string>>;
  /** File with the seed of a user, readable by its owner alone. */
  readonly seedFile: (user: BrokerUser) => string;
};

/** Makes a key pair for each user that has none yet, in `<folder>/<user>.nk`. */
export const ensureKeys = async (folder: string): Promise<Keys> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const seedFile = (user: BrokerUser): string => join(folder, `${user}.nk`);
  const entries = await Promise.all(
    BROKER_USERS.map(async (user) => [user, await publicKeyOf(seedFile(user))] as const),
  );
  return { publicKeys: Object.fromEntries(entries) as Keys['publicKeys'], seedFile };
};

const publicKeyOf = async (file: string): Promise<string> => {
  try {
    return fromSeed(new Uint8Array(await readFile(file))).getPublicKey();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const pair = createUser();
  await writeFile(file, pair.getSeed(), { mode: 0o600, flag: 'wx' });
  return pair.getPublicKey();
};
