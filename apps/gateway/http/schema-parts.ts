import { ERRORS } from '#libs/domain/errors.js';

/** A schema of JSON Schema 2020-12, which OpenAPI 3.1 takes as it is. */
export type SchemaObject = Readonly<Record<string, unknown>>;

export const text: SchemaObject = { type: 'string' };
export const count: SchemaObject = { type: 'integer', minimum: 0 };
export const time: SchemaObject = { type: 'string', format: 'date-time' };
export const texts: SchemaObject = { type: 'array', items: text };
export const anything: SchemaObject = { description: 'Any JSON value.' };
export const ref = (name: string): { $ref: string } => ({ $ref: `#/components/schemas/${name}` });
export const listOf = (name: string): SchemaObject => ({ type: 'array', items: ref(name) });
export const orNull = (schema: object): SchemaObject => ({ oneOf: [schema, { type: 'null' }] });

/** All of the fields are there, and no others. */
export const exactly = (
  properties: Readonly<Record<string, object>>,
  optional: readonly string[] = [],
): SchemaObject => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});

export const code: SchemaObject = { type: 'string', enum: Object.keys(ERRORS) };
export const labels: SchemaObject = { type: 'object', additionalProperties: text };
