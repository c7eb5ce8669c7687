import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { BoundedPattern, PatternTimeoutError } from './bounded-pattern.js';
import type { JsonSchema, ValueProblem } from './compiled-template.js';
import { didYouMean } from './suggest.js';
import { bounded, describeSchema, fieldNames, shown, ANY_VALUE } from './describe-schema.js';

/** Checks a value against one schema and says everything that is wrong with it. */
export type SchemaCheck = (value: unknown) => readonly SchemaProblem[];

/** `segments` is where in the value; `composite`: no branch of an alternative fits; `unknownField`: whatever its value is. */
export type SchemaProblem = Omit<ValueProblem, 'path'> & {
  readonly segments: readonly string[];
  readonly composite: boolean;
  readonly unknownField?: true;
};

/** More than this many at once help nobody. */
const PROBLEMS_MAX = 50;

/**
 * Compiles a schema that this program made. Each check has an Ajv of its own: Ajv keeps every schema it ever saw, and
 * strangers can have templates checked.
 */
export const schemaCheck = (schema: JsonSchema): SchemaCheck => {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    validateSchema: false,
    strict: false,
    coerceTypes: false,
    useDefaults: false,
    code: { regExp: boundedRegExp },
  });
  const validate = ajv.compile(schema);
  return (value) => problemsOf(validate, value);
};

/** Patterns that are matched under a time limit, for the option `code.regExp` of Ajv. */
export const boundedRegExp = Object.assign(
  (source: string, flags: string) => new BoundedPattern(source, flags),
  {
    code: 'new BoundedPattern',
  },
);

/** What a compiled schema has against a value; it must have been compiled with `allErrors` and `verbose`. */
export const problemsOf = (validate: ValidateFunction, value: unknown): readonly SchemaProblem[] => {
  try {
    if (validate(value)) return [];
  } catch (error) {
    if (!(error instanceof PatternTimeoutError)) throw error;
    return [
      { segments: [], composite: false, message: error.message, accepted: 'a text that is quick to match' },
    ];
  }
  const errors = validate.errors ?? [];
  const alternatives = errors
    .filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf')
    .map((e) => `${e.schemaPath}/`);
  const problems = errors
    .filter(({ keyword }) => !WRAPPERS.has(keyword))
    .filter(({ schemaPath }) => !alternatives.some((prefix) => schemaPath.startsWith(prefix)))
    .slice(0, PROBLEMS_MAX)
    .map(problemOf);
  // A value that breaks two limits of one schema is described once: the sentence names all limits anyway.
  const sayings = new Map(
    problems.map((problem) => [`${problem.segments.join('/')} ${problem.message}`, problem]),
  );
  return [...sayings.values()];
};

/** What they hold has said it already. */
const WRAPPERS: ReadonlySet<string> = new Set(['if', 'propertyNames', 'dependentSchemas']);

/** Keywords that the description of a schema tells; of others, the sentence of Ajv does. */
const DESCRIBED: ReadonlySet<string> = new Set([
  'type',
  'const',
  'enum',
  'anyOf',
  'oneOf',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
]);

const acceptedBy = (error: ErrorObject, schema: JsonSchema): string => {
  const described = DESCRIBED.has(error.keyword) ? describeSchema(schema) : ANY_VALUE;
  if (described !== ANY_VALUE) return described;
  if (error.keyword === 'false schema') return 'no value here';
  if (error.keyword === 'not' && typeof schema['description'] === 'string') return schema['description'];
  return `it to ${(error.message ?? '').replace(/^must /, '').replace(/^NOT /, 'not ')}`;
};

const problemOf = (error: ErrorObject): SchemaProblem => {
  const schema: JsonSchema = typeof error.parentSchema === 'object' ? error.parentSchema : {};
  const segments = segmentsOf(error.instancePath);
  const params = error.params as Readonly<Record<string, unknown>>;
  if (error.keyword === 'required') {
    const name = String(params['missingProperty']);
    const field = ((schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>)[name] ?? {};
    const accepted = describeSchema(field);
    return {
      segments: [...segments, name],
      composite: false,
      message: `is missing; expected ${accepted}`,
      accepted,
    };
  }
  if (error.keyword === 'additionalProperties') {
    const name = String(params['additionalProperty']);
    const names = fieldNames(schema);
    const accepted = names.length === 0 ? 'no fields at all' : `only these fields: ${names.join(', ')}`;
    const value = (error.data as Readonly<Record<string, unknown>>)[name];
    return {
      segments: [...segments, name],
      composite: false,
      unknownField: true,
      value: bounded(value),
      message: `there is no field '${name.slice(0, 80)}' here${didYouMean(name, names)}; accepted: ${accepted}`,
      accepted,
    };
  }
  const accepted = acceptedBy(error, schema);
  const values = error.keyword === 'enum' ? (schema['enum'] as readonly unknown[]) : [];
  const hint = didYouMean(
    error.data,
    values.filter((value) => typeof value === 'string'),
  );
  return {
    segments,
    composite: error.keyword === 'anyOf' || error.keyword === 'oneOf',
    value: bounded(error.data),
    message: `${shown(error.data)} is not accepted${hint}; expected ${accepted}`,
    accepted,
  };
};

const segmentsOf = (pointer: string): readonly string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

/** `['options', 'stop', '0']` under `parameters` is `parameters.options.stop[0]`. */
export const pathText = (base: string, segments: readonly (string | number)[]): string =>
  segments.reduce<string>((path, segment) => {
    const text = String(segment).slice(0, 80);
    if (/^\d+$/.test(text)) return `${path}[${text}]`;
    return path === '' ? text : `${path}.${text}`;
  }, base);

export const startsWith = (path: readonly string[], start: readonly string[]): boolean =>
  start.every((segment, n) => path[n] === segment);

/** The same problem as the answer shows it. */
export const problemAt = (path: string, { value, message, accepted }: SchemaProblem): ValueProblem => ({
  path,
  ...(value === undefined ? {} : { value }),
  message,
  accepted,
});
