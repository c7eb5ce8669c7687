/**
 * JSON text that is equal for equal values: objects with sorted keys, Maps as arrays of entries in insertion order
 * (which in a folded state is log order), absent where `JSON.stringify` leaves out. Two folds of one log are compared by it,
 * byte for byte, so a value that JSON cannot tell from another one is refused instead of written as `null`.
 */
export const canonicalJson = (value: unknown): string => written(value) ?? 'null';

const written = (value: unknown): string | undefined => {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value !== 'object')
    throw new TypeError(`a ${typeof value} that JSON cannot hold is in the state`);
  // By tag and not by class: a Map that `structuredClone` or another realm made is a Map too.
  const tag = Object.prototype.toString.call(value);
  if (tag === '[object Map]' || tag === '[object Set]') return list([...(value as Iterable<unknown>)]);
  if (Array.isArray(value)) return list(value);
  if (tag !== '[object Object]') throw new TypeError(`${tag} is in the state, which JSON cannot hold`);
  const members: string[] = [];
  for (const name of Object.keys(value).toSorted()) {
    const member = written((value as Readonly<Record<string, unknown>>)[name]);
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${member}`);
  }
  return `{${members.join(',')}}`;
};

const list = (values: readonly unknown[]): string =>
  `[${values.map((value) => written(value) ?? 'null').join(',')}]`;
