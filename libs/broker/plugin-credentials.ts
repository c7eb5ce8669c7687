import { connect } from '@nats-io/transport-node';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { PLUGIN_SUBJECTS } from '#libs/contracts/plugin-wire.js';
import { isPluginType, PLUGIN_TYPE_ACCEPTED } from '#libs/domain/plugin-type.js';

/** Passwords by step type. Passwords and not keys, because every client in every language takes them, in the address. */
type Credentials = Readonly<Record<string, string>>;

/** More step types than this are not made by hand. */
const TYPES_MAX = 500;
const PASSWORD_BYTES = 24;

const keptIn = (dataDir: string): string => join(dataDir, 'keys', 'plugins.json');

/** Included by the configuration of the broker; readable by its owner alone, because passwords stand in it. */
export const pluginAccountsIn = (dataDir: string): string => join(dataDir, 'nats', 'plugins.conf');

/** Makes a password for the workers of a step type, another one with `renew`. The broker knows it once it has read its configuration again. */
export const pluginPassword = async (dataDir: string, type: string, renew: boolean): Promise<string> => {
  if (!isPluginType(type)) throw new Error(`'${type}' is no step type; expected ${PLUGIN_TYPE_ACCEPTED}`);
  const known = await readCredentials(dataDir);
  if (known[type] !== undefined && !renew) return known[type];
  if (Object.keys(known).length >= TYPES_MAX)
    throw new Error(`there are credentials for ${TYPES_MAX} step types already; accepted: up to that many`);
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  await mkdir(join(dataDir, 'keys'), { recursive: true, mode: 0o700 });
  await replace(keptIn(dataDir), JSON.stringify({ ...known, [type]: password }, null, 2));
  await writePluginAccounts(dataDir);
  return password;
};

/** Writes what the broker includes. */
export const writePluginAccounts = async (dataDir: string): Promise<void> => {
  await mkdir(join(dataDir, 'nats'), { recursive: true, mode: 0o700 });
  await replace(pluginAccountsIn(dataDir), accountsText(await readCredentials(dataDir)));
};

const readCredentials = async (dataDir: string): Promise<Credentials> => {
  try {
    return JSON.parse(await readFile(keptIn(dataDir), 'utf8')) as Credentials;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
};

/** A reader never sees half of it. */
const replace = async (file: string, text: string): Promise<void> => {
  await writeFile(`${file}.new`, text, { mode: 0o600 });
  await rename(`${file}.new`, file);
};

/**
 * An account for each step type. A worker reaches nothing but the three subjects of its type, whatever it asks the broker to do for it: in one account with
 * others, a reply subject of its choice would be enough to speak in their name.
 */
const accountsText = (credentials: Credentials): string =>
  Object.entries(credentials)
    .map(([type, password]) => {
      const [hello, from] = [PLUGIN_SUBJECTS.hello(type), PLUGIN_SUBJECTS.from(type)];
      const to = PLUGIN_SUBJECTS.to(type, '*');
      const imported = (kind: string, subject: string): string =>
        `    { ${kind}: { account: ORCHESTRA, subject: "${subject}" } }`;
      return [
        `PLUGIN_${type.replace('.', '_DOT_')} {`,
        `  users: [ { user: "${type}", password: "${password}", permissions: {`,
        `    publish: { allow: ["${hello}", "${from}"] }, subscribe: { allow: ["${to}", "_INBOX.>"] } } } ]`,
        '  imports: [',
        imported('service', hello),
        imported('service', from),
        imported('stream', to),
        '  ]',
        '}',
        '',
      ].join('\n');
    })
    .join('');

type Letting = {
  readonly url: string;
  readonly type: string;
  readonly password: string;
  /** Has the broker read its configuration again. */
  readonly reload: () => void;
};

const TRIES_MAX = 20;
const TRY_MS = 1_000;

/**
 * Resolves when a worker can sign in and an executor answers its hello; rejects when that does not come to be. A server connects an
 * account that is new to it with the others only when it reads its configuration once more (2.9.10 and 2.15.2 alike).
 */
export const letWorkersIn = async ({ url, type, password, reload }: Letting): Promise<void> => {
  let last = '';
  for (let n = 0; n < TRIES_MAX; n += 1) {
    reload();
    await wait(TRY_MS / 4);
    try {
      const signIn = { user: type, pass: password, reconnect: false, timeout: TRY_MS };
      const connection = await connect({ servers: url, ...signIn });
      const hello = JSON.stringify({ worker: 'credentials', bye: true });
      await connection
        .request(PLUGIN_SUBJECTS.hello(type), hello, { timeout: TRY_MS })
        .finally(() => void connection.close());
      return;
    } catch (error) {
      last = String(error);
    }
  }
  throw new Error(
    `the broker has the credentials of '${type}', but no executor answers its workers: ${last}`,
  );
};
