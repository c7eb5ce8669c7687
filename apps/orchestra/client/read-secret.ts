import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { SECRET_MAX_BYTES } from '#libs/secrets/secret-value.js';
import type { Output } from '../output.js';

/** Bytes from stdin; at a terminal one line, which is not shown. Never from the command line, which every user of the machine can list. */
export const readSecret = async (name: string, out: Output): Promise<Buffer> =>
  process.stdin.isTTY ? Buffer.from(await typed(name, out)) : await piped(process.stdin);

const typed = async (name: string, out: Output): Promise<string> => {
  out.note(`value of ${name} (it is not shown), then Enter:`);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
  }
};

/** What is too long is cut behind the longest value, and refused by its length. */
const piped = async (stdin: AsyncIterable<unknown>): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk as Uint8Array);
    parts.push(part);
    bytes += part.length;
    if (bytes > SECRET_MAX_BYTES + 2) break;
  }
  return Buffer.concat(parts);
};
