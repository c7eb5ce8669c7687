import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SECRET_NAME } from '#libs/domain/task/step-secrets.js';
import { SecretError } from './secret-error.js';
import { keyId } from './secret-key.js';

/** One secret as it stands in the file; bytes as base64. */
type Sealed = {
  readonly nonce: string;
  readonly data: string;
  readonly tag: string;
  /** RFC 3339. */
  readonly setAt: string;
};

type StoreFile = {
  readonly version: 1;
  /** Which key it is sealed with. */
  readonly key: string;
  readonly secrets: Readonly<Record<string, Sealed>>;
};

export const STORE_SECRETS_MAX = 10_000;
const STORE_MAX_BYTES = 256 * 1024 * 1024;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;

/** Another command holds the lock for the time of one write. */
const LOCK_TRIES = 40;
const LOCK_AGAIN_MS = 50;

/**
 * A file of sealed secrets: AES-256-GCM, each with a nonce of its own and bound to its name, so that none can be altered or
 * put under another name unnoticed. Every write is a new file in the place of the old one.
 */
export class SecretStore {
  constructor(private readonly file: string) {}

  /** Null for one that is not there. Rejects with `SecretError` where it cannot be opened with this key. */
  async get(name: string, key: () => Promise<Buffer>): Promise<string | null> {
    const store = await this.#read();
    const sealed = store !== null && Object.hasOwn(store.secrets, name) ? store.secrets[name] : undefined;
    if (store === null || sealed === undefined) return null;
    return opened(name, sealed, this.#checked(store, await key()));
  }

  /** Names with the time at which each was set; needs no key. */
  async list(): Promise<readonly { readonly name: string; readonly setAt: string }[]> {
    const secrets = (await this.#read())?.secrets ?? {};
    return Object.entries(secrets)
      .map(([name, { setAt }]) => ({ name, setAt }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Answers whether there was one of this name before. */
  async set(name: string, value: string, key: Buffer, setAt: string): Promise<boolean> {
    return await this.#change((store) => {
      const secrets = store?.secrets ?? {};
      if (store !== null) this.#checked(store, key);
      const known = Object.hasOwn(secrets, name);
      if (!known && Object.keys(secrets).length >= STORE_SECRETS_MAX)
        throw this.#broken(`it holds ${STORE_SECRETS_MAX} secrets, as many as are accepted`);
      const next = { ...secrets, [name]: sealedOf(name, value, key, setAt) };
      return { known, next: { version: 1, key: keyId(key), secrets: next } };
    });
  }

  /** Answers whether there was one. */
  async remove(name: string): Promise<boolean> {
    return await this.#change((store) => {
      if (store === null || !Object.hasOwn(store.secrets, name)) return { known: false, next: null };
      const { [name]: _removed, ...secrets } = store.secrets;
      return { known: true, next: { ...store, secrets } };
    });
  }

  async #change(
    change: (store: StoreFile | null) => { readonly known: boolean; readonly next: StoreFile | null },
  ): Promise<boolean> {
    await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
    const unlock = await this.#lock();
    try {
      const { known, next } = change(await this.#read());
      if (next !== null) await this.#replace(next);
      return known;
    } finally {
      await unlock();
    }
  }

  async #replace(store: StoreFile): Promise<void> {
    const fresh = `${this.file}.new`;
    await rm(fresh, { force: true });
    const handle = await open(fresh, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(store, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, this.file);
    const folder = await open(dirname(this.file), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async #lock(): Promise<() => Promise<void>> {
    const lock = `${this.file}.lock`;
    for (let n = 0; ; n += 1) {
      try {
        await (await open(lock, 'wx', 0o600)).close();
        return () => rm(lock, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        if (n >= LOCK_TRIES)
          throw this.#broken(`another command holds '${lock}'; remove that file if none runs`);
        await new Promise((resolve) => setTimeout(resolve, LOCK_AGAIN_MS));
      }
    }
  }

  /** Null where there is no store. */
  async #read(): Promise<StoreFile | null> {
    let text: string;
    try {
      const { size } = await stat(this.file);
      if (size > STORE_MAX_BYTES) throw this.#broken(`it has ${size} bytes, of ${STORE_MAX_BYTES} at most`);
      text = await readFile(this.file, 'utf8');
    } catch (error) {
      if (error instanceof SecretError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return null;
      throw this.#broken(`it cannot be read (${code})`);
    }
    try {
      const store = JSON.parse(text) as StoreFile;
      if (store.version === 1 && Object.keys(store.secrets).every((name) => SECRET_NAME.test(name)))
        return store;
    } catch {
      // It is said below.
    }
    throw this.#broken('it is damaged, or of another version');
  }

  #checked(store: StoreFile, key: Buffer): Buffer {
    if (store.key === keyId(key)) return key;
    throw this.#broken('it was written with another key');
  }

  #broken(why: string): SecretError {
    return new SecretError('SECRET_UNAVAILABLE', `The store of secrets '${this.file}' is of no use: ${why}.`);
  }
}

const boundTo = (name: string): Buffer => Buffer.from(`orchestra secret 1 ${name}`);

const sealedOf = (name: string, value: string, key: Buffer, setAt: string): Sealed => {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(boundTo(name));
  const data = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
  const [sealed, tag] = [data, cipher.getAuthTag()].map((bytes) => bytes.toString('base64'));
  return { nonce: nonce.toString('base64'), data: sealed ?? '', tag: tag ?? '', setAt };
};

const opened = (name: string, { nonce, data, tag }: Sealed, key: Buffer): string => {
  try {
    const decipher = createDecipheriv(CIPHER, key, Buffer.from(nonce, 'base64'), { authTagLength: 16 })
      .setAAD(boundTo(name))
      .setAuthTag(Buffer.from(tag, 'base64'));
    return Buffer.concat([decipher.update(data, 'base64'), decipher.final()]).toString('utf8');
  } catch {
    throw new SecretError(
      'SECRET_UNAVAILABLE',
      `Secret '${name}' of the store was altered, or put there under another name; set it again.`,
    );
  }
};
