/** What may stand in the file, as JSON Schema (2020-12). Durations and Liquid are checked beside it. */
type JsonSchema = Readonly<Record<string, unknown>>;

export const CHANNELS_MAX = 64;
export const RULES_MAX = 256;

const name: JsonSchema = {
  type: 'string',
  pattern: '^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$',
  description: '1 to 64 lower-case letters, digits and -',
};
const text = (maxLength: number): JsonSchema => ({ type: 'string', minLength: 1, maxLength });
const url: JsonSchema = { type: 'string', pattern: '^https?://[^/?#]', maxLength: 2048 };
const duration: JsonSchema = { type: 'string', minLength: 2, maxLength: 16 };
const address: JsonSchema = {
  type: 'string',
  pattern: '^[^\\s]+@[^\\s]+$|<[^\\s]+@[^\\s]+>$',
  maxLength: 320,
};
const names = (items: JsonSchema): JsonSchema => ({ type: 'array', items, minItems: 1, maxItems: 100 });
const variable: JsonSchema = { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' };

const object = (
  required: readonly string[],
  properties: Readonly<Record<string, JsonSchema>>,
): JsonSchema => ({ type: 'object', properties, required, additionalProperties: false });

const every = {
  allow_private: { type: 'boolean' },
  timeout: duration,
  at_once: { type: 'integer', minimum: 1, maximum: 64 },
  secret_env: variable,
  secret_file: text(4096),
};

/** By `type`: what a channel of it says. */
export const CHANNEL_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  webhook: object(['type', 'url'], { type: { const: 'webhook' }, url, ...every }),
  email: object(['type', 'host', 'from', 'to'], {
    type: { const: 'email' },
    host: { type: 'string', pattern: '^[A-Za-z0-9_.:-]+$', maxLength: 253 },
    port: { type: 'integer', minimum: 1, maximum: 65_535 },
    tls: { enum: ['none', 'starttls', 'tls'] },
    user: text(320),
    from: address,
    to: { ...names(address), maxItems: 20 },
    ...every,
  }),
  ntfy: object(['type', 'url', 'topic'], {
    type: { const: 'ntfy' },
    url,
    topic: { type: 'string', pattern: '^[-_A-Za-z0-9]{1,64}$' },
    priority: { type: 'integer', minimum: 1, maximum: 5 },
    ...every,
  }),
  slack: object(['type'], { type: { const: 'slack' }, ...every }),
};

export const FILE_SCHEMA: JsonSchema = object([], {
  public_url: url,
  retry: object([], { first: duration, longest: duration, for: duration }),
  channels: {
    type: 'object',
    maxProperties: CHANNELS_MAX,
    propertyNames: name,
    additionalProperties: {
      type: 'object',
      properties: { type: { enum: Object.keys(CHANNEL_SCHEMAS) } },
      required: ['type'],
    },
  },
  rules: {
    type: 'array',
    maxItems: RULES_MAX,
    items: object(['events', 'channels'], {
      events: names(text(64)),
      channels: names(name),
      workspaces: names(text(64)),
      templates: names(text(64)),
      labels: { type: 'object', additionalProperties: { type: 'string', maxLength: 256 }, maxProperties: 16 },
      title: text(1000),
      text: text(10_000),
    }),
  },
});
