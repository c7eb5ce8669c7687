import type { Command } from 'commander';
import { SECRET_NAME, SECRET_NAME_ACCEPTED } from '#libs/domain/task/step-secrets.js';
import { loadSettings } from '#libs/runtime/settings.js';
import { SecretError } from '#libs/secrets/secret-error.js';
import { readOrMakeKey } from '#libs/secrets/secret-key.js';
import { SECRET_SETTINGS, secretPlaces } from '#libs/secrets/secret.settings.js';
import { SecretSources, type SecretPlaces } from '#libs/secrets/secret-sources.js';
import { SecretStore } from '#libs/secrets/secret-store.js';
import { SECRET_ACCEPTED, secretOf } from '#libs/secrets/secret-value.js';
import { optionWithEnv } from '../arguments.js';
import { readSecret } from '../client/read-secret.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { columns, type Output } from '../output.js';

type Options = { readonly data: string };

const dataOption = () =>
  optionWithEnv(
    '--data <dir>',
    'data folder of the platform, where the store is',
    'ORCHESTRA_DATA_DIR',
  ).default('data');

/** `orchestra secrets`: what executors may give to steps by name. Values are read from stdin alone, and never shown. */
export const addSecretCommands = (program: Command, output: () => Output): void => {
  const secrets = program
    .command('secrets')
    .description('values that steps get by name; the store of this data folder, sealed with its key');
  secrets
    .command('set')
    .argument('<name>', 'as in {{ secrets.<name> }}')
    .description('put a value into the store, from stdin; at a terminal it is asked for and not shown')
    .addOption(dataOption())
    .action(async (name: string, options: Options) => await told(() => set(name, options, output())));
  secrets
    .command('list')
    .description('names in the store, and who may use them; no values')
    .addOption(dataOption())
    .action(async (options: Options) => await told(() => list(options, output())));
  secrets
    .command('rm')
    .argument('<name>', 'which one')
    .description('take a secret out of the store')
    .addOption(dataOption())
    .action(async (name: string, options: Options) => await told(() => remove(name, options, output())));
};

const told = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    if (error instanceof SecretError) throw new CommandError(EXIT.failed, error.message);
    throw error;
  }
};

const placesOf = ({ data }: Options): SecretPlaces =>
  secretPlaces({ ...loadSettings(SECRET_SETTINGS, process.env), dataDir: data }, process.env);

const set = async (name: string, options: Options, out: Output): Promise<void> => {
  refuseName(name);
  const places = placesOf(options);
  const read = secretOf(await readSecret(name, out));
  if ('problem' in read)
    throw new CommandError(EXIT.refused, `The value ${read.problem}; accepted: ${SECRET_ACCEPTED}.`);
  const key = await readOrMakeKey(places.key);
  const replaced = await new SecretStore(places.storeFile).set(
    name,
    read.value,
    key,
    new Date().toISOString(),
  );
  out.show({ name, replaced }, () => [`${name} is ${replaced ? 'replaced' : 'set'}`]);
  const grant = await new SecretSources(places).grantOf(name);
  if (grant === undefined)
    out.note(
      `no template may use it yet; say in ${places.grantsFile} which:\nsecrets:\n  ${name}:\n    templates: [<name>]`,
      'yellow',
    );
};

const list = async (options: Options, out: Output): Promise<void> => {
  const places = placesOf(options);
  const sources = new SecretSources(places);
  const items = await Promise.all(
    (await new SecretStore(places.storeFile).list()).map(async ({ name, setAt }) => {
      const grant = await sources.grantOf(name);
      return { name, set_at: setAt, templates: grant?.templates ?? [], workspaces: grant?.workspaces ?? [] };
    }),
  );
  out.show(items, () =>
    items.length === 0
      ? ['the store holds no secret']
      : columns([
          ['NAME', 'SET', 'TEMPLATES', 'WORKSPACES'],
          ...items.map(({ name, set_at: at, templates, workspaces }) => [
            name,
            at,
            templates.join(', ') || '(none)',
            workspaces.join(', ') || '(none)',
          ]),
        ]),
  );
};

const remove = async (name: string, options: Options, out: Output): Promise<void> => {
  refuseName(name);
  const places = placesOf(options);
  if (!(await new SecretStore(places.storeFile).remove(name)))
    throw new CommandError(EXIT.notFound, `There is no secret '${name}' in ${places.storeFile}.`);
  out.show({ name, removed: true }, () => [`${name} is removed`]);
};

const refuseName = (name: string): void => {
  if (SECRET_NAME.test(name)) return;
  throw new CommandError(
    EXIT.usage,
    `'${name.slice(0, 80)}' is no name of a secret; accepted: ${SECRET_NAME_ACCEPTED}. Its value is read from stdin, never from here.`,
  );
};
