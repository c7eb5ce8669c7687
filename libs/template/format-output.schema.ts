import type { JsonSchema } from './compiled-template.js';

const name: JsonSchema = { type: 'string', maxLength: 200 };

/** Fields that mean something in some formats only are refused in the others. */
const without = (format: readonly string[], ...fields: readonly string[]): JsonSchema => ({
  if: { properties: { format: { enum: format } }, required: ['format'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema; nothing here is awaited
  then: {
    properties: Object.fromEntries(
      fields.map((field) => [
        field,
        { not: {}, description: `nothing, because ${format.join(' and ')} have no ${field}` },
      ]),
    ),
  },
});

/** The input of `format_output`. */
export const FORMAT_OUTPUT_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    format: { enum: ['json', 'markdown', 'text', 'csv'] },
    value: { description: 'anything; for csv a list of objects or of lists' },
    columns: {
      type: 'array',
      minItems: 1,
      maxItems: 200,
      items: {
        anyOf: [
          name,
          {
            type: 'object',
            properties: { field: name, title: name },
            required: ['field'],
            additionalProperties: false,
          },
        ],
      },
      description: 'Fields of the objects, in their order; default: all that there are',
    },
    title: { type: 'string', maxLength: 1_000 },
  },
  required: ['format', 'value'],
  additionalProperties: false,
  allOf: [without(['json', 'csv'], 'title'), without(['json', 'text'], 'columns')],
};
