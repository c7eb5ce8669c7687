import type { JsonSchema, ParameterSpec } from './compiled-template.js';

/** JSON Schema (2020-12) of declared parameters: no others are accepted, nothing is converted. */
export const parametersSchema = (parameters: Readonly<Record<string, ParameterSpec>>): JsonSchema => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  ...fieldsSchema(parameters),
});

export const parameterSchema = (spec: ParameterSpec): JsonSchema => {
  const { min_length: min, max_length: max } = spec;
  const isList = spec.type === 'array';
  return {
    ...(spec.type === 'any' ? {} : { type: spec.type }),
    ...defined({
      description: spec.description,
      default: spec.default,
      enum: spec.enum,
      minimum: spec.minimum,
      maximum: spec.maximum,
      pattern: spec.pattern,
      items: spec.items && parameterSchema(spec.items),
      ...(isList ? { minItems: min, maxItems: max } : { minLength: min, maxLength: max }),
    }),
    ...(spec.properties && fieldsSchema(spec.properties)),
  };
};

const fieldsSchema = (fields: Readonly<Record<string, ParameterSpec>>): JsonSchema => ({
  type: 'object',
  properties: Object.fromEntries(Object.entries(fields).map(([name, spec]) => [name, parameterSchema(spec)])),
  required: Object.keys(fields).filter((name) => fields[name]?.required === true),
  additionalProperties: false,
});

const defined = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
