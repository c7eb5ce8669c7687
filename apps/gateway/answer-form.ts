import type { Question } from '#libs/contracts/inbox-queries.js';
import type { AnswerBody } from './answer-content.js';

type Schema = Readonly<Record<string, unknown>>;

/** One field of a page: what it is called in the form that is sent, and how it is shown. */
export type FormField = {
  readonly name: string;
  readonly label: string;
  readonly required: boolean;
  readonly control:
    | { readonly kind: 'text' | 'number' | 'long' | 'json' }
    | { readonly kind: 'flag' }
    | { readonly kind: 'choice'; readonly values: readonly string[] };
  readonly value: string;
};

/** What a page sends: each field once. */
export type Sent = Readonly<Record<string, string>>;

/** Texts that may be longer than this are written in more than one line. */
const ONE_LINE_CHARS = 200;
/** In front of fields of a schema, whose names are the author's. */
const OF_DATA = 'data.';

/** The fields by which a question is answered; of a schema that is no flat object, one of JSON. */
export const formFields = ({ waiting }: Question, sent: Sent | null): readonly FormField[] => {
  if (waiting.kind === 'approval') {
    if (!waiting.edit) return [];
    const isText = typeof waiting.text === 'string';
    const value = sent?.['text'] ?? (isText ? String(waiting.text) : JSON.stringify(waiting.text, null, 2));
    return [
      { name: 'text', label: 'Text', required: false, control: { kind: isText ? 'long' : 'json' }, value },
    ];
  }
  const { schema, initial } = waiting;
  const properties = propertiesOf(schema);
  if (properties === null) {
    const value = sent?.['data'] ?? JSON.stringify(initial, null, 2);
    return [{ name: 'data', label: 'Answer, as JSON', required: true, control: { kind: 'json' }, value }];
  }
  const given = (typeof initial === 'object' && initial !== null ? initial : {}) as Schema;
  const required = (Array.isArray(schema['required']) ? schema['required'] : []) as readonly unknown[];
  return properties.map(([name, field]) => ({
    name: `${OF_DATA}${name}`,
    label: typeof field['title'] === 'string' ? field['title'] : name,
    required: required.includes(name),
    control: controlOf(field),
    value: sent === null ? shownValue(given[name] ?? field['default']) : (sent[`${OF_DATA}${name}`] ?? ''),
  }));
};

/** What was filled in, as an answer to the question. What is no JSON where JSON is asked for stays text, and is refused as that. */
export const answerOf = (question: Question, sent: Sent): AnswerBody => {
  const { waiting } = question;
  const fields = formFields(question, sent);
  if (waiting.kind === 'approval') {
    const [text] = fields;
    const changed = text && sent['text'] !== undefined ? { text: valueOf(text) } : {};
    return { choice: sent['choice'] ?? '', ...changed };
  }
  if (fields.length === 1 && fields[0]?.name === 'data') return { data: valueOf(fields[0]) };
  const filled = fields
    .filter(({ control, value }) => control.kind === 'flag' || value !== '')
    .map((field) => [field.name.slice(OF_DATA.length), valueOf(field)] as const);
  return { data: Object.fromEntries(filled) };
};

const valueOf = ({ control, value }: FormField): unknown => {
  if (control.kind === 'flag') return value === 'on';
  if (control.kind === 'number')
    return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
  // Browsers end the lines of what is filled in as mail does.
  if (control.kind !== 'json') return value.replaceAll('\r\n', '\n');
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
};

const shownValue = (value: unknown): string => {
  if (value === undefined || value === null || value === false) return '';
  if (value === true) return 'on';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

const propertiesOf = (schema: Schema): readonly (readonly [string, Schema])[] | null => {
  const { type, properties } = schema;
  if (type !== 'object' || typeof properties !== 'object' || properties === null) return null;
  return Object.entries(properties as Readonly<Record<string, unknown>>).map(
    ([name, field]) => [name, typeof field === 'object' && field !== null ? (field as Schema) : {}] as const,
  );
};

const controlOf = (field: Schema): FormField['control'] => {
  const values = field['enum'];
  if (Array.isArray(values) && values.every((value) => typeof value === 'string'))
    return { kind: 'choice', values };
  switch (field['type']) {
    case 'boolean':
      return { kind: 'flag' };
    case 'integer':
    case 'number':
      return { kind: 'number' };
    case 'string':
      return { kind: Number(field['maxLength'] ?? Infinity) > ONE_LINE_CHARS ? 'long' : 'text' };
    default:
      return { kind: 'json' };
  }
};
