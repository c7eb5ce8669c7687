import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { CommandError, EXIT } from '../exit-codes.js';

/** The lines of a file that are not empty, with their numbers. */
export async function* linesOf(
  file: string,
): AsyncGenerator<{ readonly line: string; readonly place: number }> {
  const input = createReadStream(file, 'utf8');
  let place = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      place += 1;
      if (line !== '') yield { line, place };
    }
  } catch (error) {
    throw new CommandError(EXIT.usage, `${file} cannot be read: ${(error as Error).message}`);
  }
}
