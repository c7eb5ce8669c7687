import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SecretError } from './secret-error.js';
import { readKey, type KeySource } from './secret-key.js';
import { SecretStore } from './secret-store.js';
import { SECRET_ACCEPTED, SECRET_MAX_BYTES, secretOf } from './secret-value.js';
import { EVERY, parseSecretsFile, type SecretGrant } from './secrets-file.js';

export type SecretPlaces = {
  /** The file that says who may use which secret. */
  readonly grantsFile: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly environmentPrefix: string;
  /** A folder with a file per secret, named as it. */
  readonly folder: string | undefined;
  readonly storeFile: string;
  readonly key: KeySource;
};

/** Who asks for a secret. */
export type Seeker = { readonly template: string; readonly workspace: string };

/** The variable that holds a secret. */
export const variableOf = (prefix: string, name: string): string =>
  `${prefix}${name.toUpperCase().replaceAll('-', '_')}`;

/** Secrets by name, each from the first place that has it: environment, folder, store. Everything is read anew each time. */
export class SecretSources {
  readonly #store: SecretStore;

  constructor(private readonly places: SecretPlaces) {
    this.#store = new SecretStore(places.storeFile);
  }

  /** Rejects with `SecretError`: not allowed there, not known, or not to be read. */
  async read(name: string, seeker: Seeker): Promise<string> {
    const grant = await this.grantOf(name);
    if (grant !== undefined) this.#allow(name, grant, seeker);
    const found =
      this.#fromEnvironment(name) ??
      (await this.#fromFolder(name)) ??
      (await this.#store.get(name, () => readKey(this.places.key)));
    if (found === null) throw this.#unknown(name);
    if (grant === undefined) this.#allow(name, { templates: [], workspaces: [] }, seeker);
    const read = secretOf(typeof found === 'string' ? Buffer.from(found) : found);
    if ('value' in read) return read.value;
    throw new SecretError(
      'SECRET_UNAVAILABLE',
      `Secret '${name}' ${read.problem}; accepted: ${SECRET_ACCEPTED}.`,
    );
  }

  /** Who may use it; undefined for one of which the file says nothing. */
  async grantOf(name: string): Promise<SecretGrant | undefined> {
    const { grantsFile: file } = this.places;
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw new SecretError('SECRET_UNAVAILABLE', `'${file}' cannot be read (${code}).`);
    }
    const read = parseSecretsFile(text, file);
    if (read.ok) return read.grants.get(name);
    throw new SecretError(
      'SECRET_UNAVAILABLE',
      `Nobody may use secrets until ${read.problems.slice(0, 3).join('; ')} is mended.`,
    );
  }

  #allow(name: string, grant: SecretGrant, { template, workspace }: Seeker): void {
    const { grantsFile: file } = this.places;
    const has = (list: readonly string[], wanted: string): boolean =>
      list.includes(wanted) || list.includes(EVERY);
    const refuse = (who: string, list: readonly string[]): never => {
      const accepted = list.length === 0 ? 'none' : list.slice(0, 20).join(', ');
      throw new SecretError(
        'SECRET_NOT_ALLOWED',
        `Secret '${name}' may not be used by ${who}; accepted: ${accepted} (${file}).`,
      );
    };
    if (!has(grant.templates, template)) refuse(`template '${template}'`, grant.templates);
    if (!has(grant.workspaces, workspace)) refuse(`workspace '${workspace}'`, grant.workspaces);
  }

  #fromEnvironment(name: string): string | null {
    const { environment, environmentPrefix } = this.places;
    return environment[variableOf(environmentPrefix, name)] || null;
  }

  async #fromFolder(name: string): Promise<Buffer | null> {
    const { folder } = this.places;
    if (folder === undefined) return null;
    const file = join(folder, name);
    try {
      const { size } = await stat(file);
      // Two more for a line end; what is longer is refused by its length.
      const handle = await open(file, 'r');
      try {
        const bytes = Buffer.alloc(Math.min(size, SECRET_MAX_BYTES + 3));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
        return bytes.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return null;
      throw new SecretError('SECRET_UNAVAILABLE', `Secret '${name}': '${file}' cannot be read (${code}).`);
    }
  }

  #unknown(name: string): SecretError {
    const { environmentPrefix, folder } = this.places;
    const places = [
      `${variableOf(environmentPrefix, name)} in the executor's environment`,
      ...(folder === undefined ? [] : [`the file '${name}' in '${folder}'`]),
      `the store (orchestra secrets set ${name})`,
    ];
    return new SecretError(
      'SECRET_UNKNOWN',
      `There is no secret '${name}'; looked for: ${places.join(', ')}.`,
    );
  }
}
