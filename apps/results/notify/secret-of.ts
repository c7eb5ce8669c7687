import { open } from 'node:fs/promises';
import type { SecretSource } from '#libs/notifications-file/channel-spec.js';

/** Keys and addresses have less; a larger file is not one of a secret. */
const FILE_MAX_BYTES = 16 * 1024;

/**
 * The secret of a channel, looked up anew for each try, so that a changed file counts at once. Rejects with the name of the variable or the
 * file, never with what stands there.
 */
export const secretOf = async (source: SecretSource): Promise<string> => {
  const where = source.kind === 'env' ? `the variable ${source.name}` : `the file ${source.path}`;
  const found = (
    source.kind === 'env' ? (process.env[source.name] ?? '') : await contentOf(source.path, where)
  ).trim();
  if (found === '') throw new Error(`${where} has no secret in it`);
  return found;
};

const contentOf = async (path: string, where: string): Promise<string> => {
  try {
    const file = await open(path);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(FILE_MAX_BYTES + 1));
      if (bytesRead > FILE_MAX_BYTES) throw new Error('too large');
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new Error(
      `${where} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
    );
  }
};
