import { createContext, Script } from 'node:vm';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { JsonSchema } from './compiled-template.js';
import { isNestedWithin } from './nesting.js';
import { boundedRegExp, pathText, problemsOf, type SchemaCheck, type SchemaProblem } from './schema-check.js';

export type AuthoredCheck =
  | { readonly ok: true; readonly check: SchemaCheck }
  /** A phrase without its place: `this is not a JSON Schema: ...; accepted: ...`. */
  | { readonly ok: false; readonly message: string };

/** A schema is written by hand, or generated from a type that was. */
const SCHEMA_MAX_BYTES = 64 * 1024;
const SCHEMA_DEPTH_MAX = 32;
/** A schema that refers to itself follows the value down, and a stack has an end. */
const VALUE_DEPTH_MAX = 100;
/** A hundred times what a large value takes; `uniqueItems` over a hundred thousand objects would take minutes. */
const LIMIT_MS = 2_000;

const ACCEPTED = `accepted: a JSON Schema (2020-12) of up to ${SCHEMA_MAX_BYTES} bytes that refers to nothing outside of it`;

/**
 * Compiles a schema that the author of a template, or who gives its parameters, has written. Neither a schema nor a value can
 * hold the process for longer than a limit, fetch anything, or be taken for a schema that accepts everything by mistake.
 */
export const authoredCheck = (schema: unknown): AuthoredCheck => {
  const refused = (why: string): AuthoredCheck => ({
    ok: false,
    message: `this is not a JSON Schema: ${why}; ${ACCEPTED}`,
  });
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    return refused('it is no object');
  if (!isNestedWithin(schema, SCHEMA_DEPTH_MAX))
    return refused(`it nests deeper than ${SCHEMA_DEPTH_MAX} levels`);
  const bytes = Buffer.byteLength(JSON.stringify(schema));
  if (bytes > SCHEMA_MAX_BYTES) return refused(`it has ${bytes} bytes`);
  if ('$async' in schema) return refused("'$async' is no keyword");
  const dialect = theDialect();
  try {
    return withinTime(() => compiled(schema, dialect));
  } catch (error) {
    return refused(error instanceof Error ? error.message.slice(0, 300) : String(error));
  }
};

const OPTIONS = { strict: false, logger: false, code: { regExp: boundedRegExp } } as const;

/** Knows what a schema is, and keeps none. */
let known: Ajv2020 | undefined;

/** Made once; that takes longer than any check, and is nobody's fault. */
const theDialect = (): Ajv2020 => {
  if (known) return known;
  known = new Ajv2020(OPTIONS);
  void known.validateSchema({});
  return known;
};

const compiled = (schema: object, dialect: Ajv2020): AuthoredCheck => {
  // Other drafts say so here; what they have in common with this one is what people use.
  const { $schema: _draft, ...own } = schema as JsonSchema;
  if (dialect.validateSchema(own) !== true) {
    const [first] = dialect.errors ?? [];
    const place = pathText('', (first?.instancePath ?? '').split('/').slice(1));
    throw new Error(`${place === '' ? 'it' : place} ${first?.message ?? 'is wrong'}`);
  }
  // An Ajv of its own, because it keeps every schema that it compiles.
  const ajv = new Ajv2020({ ...OPTIONS, allErrors: true, verbose: true, meta: false, validateSchema: false });
  addFormats.default(ajv);
  const validate = ajv.compile(own);
  return { ok: true, check: (value) => checked(() => problemsOf(validate, value), value) };
};

const checked = (check: () => readonly SchemaProblem[], value: unknown): readonly SchemaProblem[] => {
  if (!isNestedWithin(value, VALUE_DEPTH_MAX))
    return [tooMuch(`nests deeper than accepted`, `up to ${VALUE_DEPTH_MAX} levels`)];
  try {
    return withinTime(check);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [tooMuch(`could not be checked: ${why}`, 'what can be checked quickly')];
  }
};

const tooMuch = (message: string, accepted: string): SchemaProblem => ({
  segments: [],
  composite: false,
  message,
  accepted,
});

const context = createContext(Object.create(null) as Record<string, unknown>);
const script = new Script('work()');

/** Throws when it takes too long. */
const withinTime = <T>(work: () => T): T => {
  context['work'] = work;
  return script.runInContext(context, { timeout: LIMIT_MS }) as T;
};
