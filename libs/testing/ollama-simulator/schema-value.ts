import { between, pick, type Random } from '#libs/simulation/random.js';
import { proseTokens } from './sim-text.js';

type Schema = Readonly<Record<string, unknown>>;

/** A schema that refers to itself has to end somewhere. */
const DEPTH_MAX = 8;

/** A value that a JSON Schema accepts, for the parts of JSON Schema that structured output uses. */
export const schemaValue = (schema: unknown, random: Random): unknown =>
  valueFor(asSchema(schema), asSchema(schema), random, 0);

const valueFor = (schema: Schema, root: Schema, random: Random, depth: number): unknown => {
  if ('const' in schema) return schema['const'];
  const choices = schema['enum'];
  if (Array.isArray(choices) && choices.length > 0) return pick(random, choices as unknown[]);
  const target = referenced(schema, root);
  if (target) return depth > DEPTH_MAX ? null : valueFor(target, root, random, depth + 1);
  const alternatives = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(alternatives)) {
    return valueFor(
      asSchema(alternatives[depth > DEPTH_MAX ? alternatives.length - 1 : 0]),
      root,
      random,
      depth + 1,
    );
  }
  switch (typeOf(schema)) {
    case 'object':
      return objectFor(schema, root, random, depth);
    case 'array':
      return arrayFor(schema, root, random, depth);
    case 'integer':
      return Math.round(inRange(schema, random));
    case 'number':
      return Math.round(inRange(schema, random) * 100) / 100;
    case 'boolean':
      return random() < 0.5;
    case 'null':
      return null;
    default:
      return stringFor(schema, random);
  }
};

const objectFor = (schema: Schema, root: Schema, random: Random, depth: number): unknown => {
  const properties = asSchema(schema['properties']);
  const required = Array.isArray(schema['required']) ? (schema['required'] as unknown[]) : [];
  const names = Object.keys(properties).filter((name) => depth <= DEPTH_MAX || required.includes(name));
  return Object.fromEntries(
    names.map((name) => [name, valueFor(asSchema(properties[name]), root, random, depth + 1)]),
  );
};

const arrayFor = (schema: Schema, root: Schema, random: Random, depth: number): unknown => {
  const low = numberOr(schema['minItems'], 1);
  const high = Math.min(numberOr(schema['maxItems'], low + 2), low + 2);
  const count = depth > DEPTH_MAX ? low : Math.round(between(random, low, Math.max(low, high)));
  return Array.from({ length: count }, () => valueFor(asSchema(schema['items']), root, random, depth + 1));
};

const stringFor = (schema: Schema, random: Random): string => {
  const shortest = numberOr(schema['minLength'], 0);
  const longest = numberOr(schema['maxLength'], Infinity);
  let text = proseTokens(random, 3).join('');
  while (text.length < shortest) text += proseTokens(random, 3).join('');
  return text.slice(0, longest);
};

const inRange = (schema: Schema, random: Random): number => {
  const low = numberOr(schema['minimum'], numberOr(schema['exclusiveMinimum'], -1) + 1);
  const high = numberOr(schema['maximum'], numberOr(schema['exclusiveMaximum'], low + 101) - 1);
  return between(random, low, Math.max(low, high));
};

const typeOf = (schema: Schema): unknown => {
  const type = schema['type'];
  if (Array.isArray(type)) return type[0];
  if (type !== undefined) return type;
  if ('properties' in schema) return 'object';
  return 'items' in schema ? 'array' : 'string';
};

const referenced = (schema: Schema, root: Schema): Schema | undefined => {
  const reference = schema['$ref'];
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return undefined;
  return reference
    .slice(2)
    .split('/')
    .reduce<Schema>((at, name) => asSchema(at[name]), root);
};

const asSchema = (value: unknown): Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};

const numberOr = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);
