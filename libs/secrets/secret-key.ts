import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SecretError } from './secret-error.js';

/** The key of the store: 32 bytes, as base64 in a file that only its owner may read, or in the environment. */
export type KeySource = {
  /** The key itself; it goes before the file. */
  readonly text: string | undefined;
  readonly file: string;
};

const KEY_BYTES = 32;
const KEY_TEXT = /^[A-Za-z0-9+/]{43}=$/;
export const KEY_ACCEPTED = '32 bytes as base64, as `openssl rand -base64 32` makes them';

/** Bits by which others than the owner could read or write. */
const OTHERS = 0o077;

/** Tells keys apart, and nothing about them. */
export const keyId = (key: Buffer): string =>
  createHash('sha256').update('orchestra secrets key').update(key).digest('hex').slice(0, 16);

/** Rejects with `SecretError` where there is none, or where others may read it. */
export const readKey = async ({ text, file }: KeySource): Promise<Buffer> => {
  if (text !== undefined) return parsed(text, 'ORCHESTRA_SECRETS_KEY');
  let handle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw unavailable(`the key of the store cannot be read from '${file}' (${code})`);
  }
  try {
    const { mode } = await handle.stat();
    if ((mode & OTHERS) !== 0)
      throw unavailable(
        `the key file '${file}' may be used by others than its owner (mode ${(mode & 0o777).toString(8)}); accepted: 600`,
      );
    return parsed((await handle.readFile('utf8')).trim(), file);
  } finally {
    await handle.close();
  }
};

/** The key, made now where there is none yet. */
export const readOrMakeKey = async (source: KeySource): Promise<Buffer> => {
  if (source.text === undefined) {
    await mkdir(dirname(source.file), { recursive: true, mode: 0o700 });
    try {
      const handle = await open(source.file, 'wx', 0o600);
      await handle.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`);
      await handle.sync();
      await handle.close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  return await readKey(source);
};

const parsed = (text: string, where: string): Buffer => {
  if (!KEY_TEXT.test(text)) throw unavailable(`what '${where}' holds is no key; accepted: ${KEY_ACCEPTED}`);
  return Buffer.from(text, 'base64');
};

const unavailable = (why: string): SecretError =>
  new SecretError('SECRET_UNAVAILABLE', `Secrets of the store cannot be read: ${why}.`);
