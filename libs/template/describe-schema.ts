import type { JsonSchema } from './compiled-template.js';

/** Of a schema whose keywords have no phrase here. */
export const ANY_VALUE = 'any value';

/** What a schema accepts, as a phrase that completes "expected …". */
export const describeSchema = (schema: JsonSchema): string => {
  if (typeof schema !== 'object') return ANY_VALUE;
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (Array.isArray(schema['enum']))
    return `one of ${schema['enum'].map((v) => JSON.stringify(v)).join(', ')}`;
  const branches = (schema['anyOf'] ?? schema['oneOf']) as readonly JsonSchema[] | undefined;
  if (branches) return branches.map(describeSchema).join(' or ');
  const types = schema['type'];
  if (Array.isArray(types))
    return types.map((type: unknown) => describeSchema({ ...schema, type })).join(' or ');
  switch (schema['type']) {
    case 'string':
      return `a string${lengthOf(schema, 'minLength', 'maxLength', 'characters')}${patternOf(schema)}`;
    case 'integer':
      return `a whole number${rangeOf(schema)}`;
    case 'number':
      return `a number${rangeOf(schema)}`;
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'array':
      return `a list${itemsOf(schema)}${lengthOf(schema, 'minItems', 'maxItems', 'items')}`;
    case 'object':
      return `an object${fieldsOf(schema)}`;
    default:
      return ANY_VALUE;
  }
};

/** The fields that an object schema knows, for messages. */
export const fieldNames = (schema: JsonSchema): readonly string[] => Object.keys(schema['properties'] ?? {});

const fieldsOf = (schema: JsonSchema): string => {
  const names = fieldNames(schema);
  return names.length === 0 ? '' : ` with fields of: ${names.join(', ')}`;
};

const itemsOf = (schema: JsonSchema): string => {
  const items = schema['items'] as JsonSchema | undefined;
  return items ? ` whose items are each ${describeSchema(items)}` : '';
};

const rangeOf = (schema: JsonSchema): string => between(schema['minimum'], schema['maximum'], '');

const lengthOf = (schema: JsonSchema, min: string, max: string, unit: string): string => {
  const range = between(schema[min], schema[max], ` ${unit}`);
  return range === '' ? '' : `,${range}`;
};

const between = (min: unknown, max: unknown, unit: string): string => {
  const [low, high] = [min, max].map((bound) => (typeof bound === 'number' ? bound : undefined));
  if (low !== undefined && high !== undefined) return ` from ${low} to ${high}${unit}`;
  if (low !== undefined) return ` of at least ${low}${unit}`;
  return high === undefined ? '' : ` of at most ${high}${unit}`;
};

const patternOf = (schema: JsonSchema): string =>
  typeof schema['pattern'] === 'string' ? `, matching /${schema['pattern']}/` : '';

/** Longest part of a given value that a message repeats. */
const SHOWN_MAX_CHARS = 80;

/** A value as messages show it. */
export const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? `'${value.slice(0, SHOWN_MAX_CHARS * 2)}'` : jsonStart(value);
  return text.length <= SHOWN_MAX_CHARS ? text : `${text.slice(0, SHOWN_MAX_CHARS)}…`;
};

/** A value as machine-readable answers repeat it: scalars as they are, the rest as shortened text. */
export const bounded = (value: unknown): unknown =>
  value === null || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : typeof value === 'string' && value.length <= SHOWN_MAX_CHARS
      ? value
      : shown(value);

/** A large object is not written out in full only to show its beginning. */
const jsonStart = (value: unknown): string => {
  if (Array.isArray(value) && value.length > 20) return `a list of ${value.length} items`;
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 20)
    return `an object of ${Object.keys(value).length} fields`;
  return JSON.stringify(value) ?? String(value);
};
