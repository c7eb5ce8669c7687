import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { CommandError, EXIT } from '../exit-codes.js';

/**
 * Parameters of a submission: from a file (JSON or YAML, `-` is stdin) and from `key=value`. A value that is JSON is taken as JSON,
 * `@file` as the text of a file, everything else as a string; `key:=value` insists on a string.
 */
export const readParameters = async (
  pairs: readonly string[],
  file: string | undefined,
): Promise<Readonly<Record<string, unknown>>> => {
  const parameters: Record<string, unknown> = file === undefined ? {} : await fromFile(file);
  for (const pair of pairs) {
    const [key, value] = await readPair(pair);
    parameters[key] = value;
  }
  return parameters;
};

const readPair = async (pair: string): Promise<readonly [string, unknown]> => {
  const equals = pair.indexOf('=');
  if (equals <= 0) throw new CommandError(EXIT.usage, `-p '${pair}' — expected key=value`);
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

const fromFile = async (file: string): Promise<Record<string, unknown>> => {
  const value: unknown = parse(await textOf(file));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new CommandError(EXIT.usage, `${file} — expected an object of parameters, as JSON or YAML`);
};

const textOf = async (file: string): Promise<string> => {
  try {
    return await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.usage, `${file} cannot be read: ${String(error)}`);
  }
};
