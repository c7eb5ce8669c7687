import { readFile, stat } from 'node:fs/promises';
import { text as textOfStream } from 'node:stream/consumers';
import { parse } from 'yaml';
import { CommandError, EXIT } from '../exit-codes.js';

/** The gateway takes no larger body (ORCHESTRA_BODY_MAX_BYTES). */
const FILE_MAX_BYTES = 900 * 1024;

/**
 * Parameters of a submission: from a file (JSON or YAML, `-` is stdin) and from `key=value`. A value that is JSON is taken as JSON,
 * `@file` as the text of a file, everything else as a string; `key:=value` insists on a string.
 */
export const readParameters = async (
  pairs: readonly string[],
  file: string | undefined,
): Promise<Readonly<Record<string, unknown>>> => {
  const given = file === undefined ? {} : await readObject(file, 'an object of parameters');
  const parameters = new Map(Object.entries(given));
  for (const pair of pairs) {
    const [key, value] = await readPair(pair);
    parameters.set(key, value);
  }
  return Object.fromEntries(parameters);
};

const readPair = async (pair: string): Promise<readonly [string, unknown]> => {
  const equals = pair.indexOf('=');
  if (equals <= 0)
    throw new CommandError(EXIT.usage, `-p '${pair}': expected key=value, key=@file or key:=text`);
  const asText = pair[equals - 1] === ':';
  const key = pair.slice(0, asText ? equals - 1 : equals);
  const value = pair.slice(equals + 1);
  if (asText) return [key, value];
  if (value.startsWith('@')) return [key, await textOf(value.slice(1))];
  return [key, jsonOrText(value)];
};

/** `7` is a number and `true` a boolean, but `hello` is text. */
export const jsonOrText = (value: string): unknown => {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
};

/** What a file of YAML or JSON says; `-` is stdin. `what` completes "expected …". */
export const readObject = async (file: string, what: string): Promise<Record<string, unknown>> => {
  const text = await textOf(file);
  const value = parsed(text, file);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new CommandError(EXIT.usage, `${file}: expected ${what}, as JSON or YAML`);
};

const parsed = (text: string, file: string): unknown => {
  try {
    return parse(text);
  } catch (error) {
    throw new CommandError(EXIT.usage, `${file}: not JSON or YAML: ${(error as Error).message}`);
  }
};

/** The text of a file; `-` is stdin. Longer than any request may be is refused before it is read. */
export const textOf = async (file: string): Promise<string> => {
  try {
    if (file === '-') return await textOfStream(process.stdin);
    const { size } = await stat(file);
    if (size <= FILE_MAX_BYTES) return await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.usage, `${file} cannot be read: ${(error as Error).message}`);
  }
  throw new CommandError(EXIT.usage, `${file} is too large; a request has at most 900 KiB`);
};
