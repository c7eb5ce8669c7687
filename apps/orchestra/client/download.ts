import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Api } from './api.js';

export type Saved = { readonly size_bytes: number; readonly digest: string };

/** Saves what is at a path of the API, as it arrives. The file is there when it is whole, and its digest is that of its entity tag. */
export const downloadTo = async (api: Api, path: string, file: string): Promise<Saved> => {
  const { content, etag } = await api.open(path);
  const hash = createHash('sha256');
  let bytes = 0;
  const counted = new Transform({
    transform(piece: Buffer, _, done) {
      hash.update(piece);
      bytes += piece.length;
      done(null, piece);
    },
  });
  const part = `${file}.part`;
  try {
    await pipeline(content, counted, createWriteStream(part));
    const digest = `sha256:${hash.digest('hex')}`;
    if (etag !== `"${digest}"`)
      throw new Error(`what arrived has the digest ${digest}, and ${etag} was announced`);
    await rename(part, file);
    return { size_bytes: bytes, digest };
  } catch (error) {
    await rm(part, { force: true });
    throw new CommandError(EXIT.failed, `'${file}' could not be saved: ${(error as Error).message}`);
  }
};
