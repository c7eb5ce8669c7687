import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** As many bytes as the hash that it is for. */
const KEY_BYTES = 32;

/**
 * The key that signs answer links, in `<dataDir>/keys/answer-links.key`; made where there is none yet, readable by its owner alone. Who
 * has it can answer in anybody's name: it belongs in no log and in no message. Rejects for a file that is none or that others may read.
 */
export const answerKey = async (dataDir: string): Promise<Buffer> => {
  const folder = join(dataDir, 'keys');
  const file = join(folder, 'answer-links.key');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return (await readKey(file)) ?? (await makeKey(file));
};

const readKey = async (file: string): Promise<Buffer | null> => {
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0)
      throw new Error(`${file} can be read by others (mode ${(mode & 0o777).toString(8)}); expected 600`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const key = Buffer.from(text.trim(), 'base64url');
  if (key.length === KEY_BYTES) return key;
  throw new Error(`${file} holds ${key.length} bytes; expected ${KEY_BYTES}, in base64url`);
};

/** Of several processes that start at once one makes it: a file appears under its name with all that is in it, or not at all. */
const makeKey = async (file: string): Promise<Buffer> => {
  const ours = `${file}.${randomBytes(8).toString('hex')}`;
  await writeFile(ours, `${randomBytes(KEY_BYTES).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    await link(ours, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(ours);
  }
  const made = await readKey(file);
  if (made === null) throw new Error(`${file} was made and is gone`);
  return made;
};
