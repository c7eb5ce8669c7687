import { EVENT_CATALOGUE } from '#libs/contracts/event-catalogue.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { durationMsOf } from '#libs/domain/duration.js';
import { matchesAny, type NotificationRule } from '#libs/domain/notify/notification-rule.js';
import { ExpressionError } from '#libs/template/expression-error.js';
import { parseText } from '#libs/template/expression.js';
import { schemaCheck } from '#libs/template/schema-check.js';
import { YamlSource, type Path } from '#libs/template/yaml-source.js';
import {
  NO_NOTIFICATIONS,
  RETRY_DEFAULT,
  type ChannelSpec,
  type NotificationSettings,
  type SecretSource,
} from './channel-spec.js';
import { CHANNEL_SCHEMAS, FILE_SCHEMA } from './file-schema.js';

/** What the file says; or every problem of it with its line. */
export type NotificationsFile =
  | { readonly ok: true; readonly settings: NotificationSettings }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What titles and texts can read. */
const MESSAGE_NAMES = ['event', 'task', 'link'];
const TYPES = EVENT_CATALOGUE.filter(({ stream }) => stream === STREAMS.tasks.name).map(({ type }) => type);

const TIMEOUT_DEFAULT_MS = 15_000;
const TIMEOUT_MS = { min: 100, max: 120_000 };
const AT_ONCE_DEFAULT = 4;
const RETRY_MS = { min: 10, max: 7 * 86_400_000 };

const checkFile = schemaCheck(FILE_SCHEMA);
const checkChannel = new Map(
  Object.entries(CHANNEL_SCHEMAS).map(([type, schema]) => [type, schemaCheck(schema)]),
);

/**
 * ```yaml
 * channels:
 *   ops: { type: webhook, url: https://hooks.example.org/orchestra, secret_env: OPS_WEBHOOK_SECRET }
 * rules:
 *   - { events: [task.failed], channels: [ops] }
 * ```
 */
export const parseNotificationsFile = (source: string, file: string): NotificationsFile => {
  const yaml = new YamlSource(source, file, 'the file');
  if (yaml.problems.length === 0 && yaml.value !== null) checked(yaml, [], checkFile(yaml.value));
  const given = (yaml.value ?? {}) as GivenFile;
  // A channel is checked by its type, and that has to be one.
  if (yaml.problems.length === 0) checkParts(yaml, given);
  if (yaml.problems.length === 0) return { ok: true, settings: settingsOf(given) };
  return {
    ok: false,
    problems: yaml.problems.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`),
  };
};

type GivenChannel = Readonly<Record<string, unknown>> & {
  readonly type: ChannelSpec['type'];
  readonly timeout?: string;
  readonly secret_env?: string;
  readonly secret_file?: string;
};
type GivenFile = {
  readonly public_url?: string;
  readonly retry?: { readonly first?: string; readonly longest?: string; readonly for?: string };
  readonly channels?: Readonly<Record<string, GivenChannel>>;
  readonly rules?: readonly NotificationRule[];
};

type Found = ReturnType<typeof checkFile>;

const checked = (yaml: YamlSource, base: Path, found: Found): void => {
  for (const { segments, message, unknownField } of found)
    yaml.problem([...base, ...segments.map(indexed)], message, unknownField ? 'key' : 'value');
};

/** Places in lists are numbers for YAML. */
const indexed = (segment: string): string | number => (/^\d+$/.test(segment) ? Number(segment) : segment);

const checkParts = (yaml: YamlSource, { channels = {}, rules = [], retry = {} }: GivenFile): void => {
  for (const [name, channel] of Object.entries(channels)) {
    const base = ['channels', name];
    checked(yaml, base, checkChannel.get(channel.type)?.(channel) ?? []);
    checkSecret(yaml, base, channel);
    checkDuration(yaml, [...base, 'timeout'], channel['timeout'], TIMEOUT_MS);
  }
  for (const [part, given] of Object.entries(retry)) checkDuration(yaml, ['retry', part], given, RETRY_MS);
  for (const [place, rule] of rules.entries()) checkRule(yaml, ['rules', place], rule, Object.keys(channels));
};

/** Which kinds cannot do without one. */
const NEEDS_SECRET: ReadonlySet<string> = new Set(['webhook', 'slack']);

const checkSecret = (yaml: YamlSource, base: Path, channel: GivenChannel): void => {
  const { type, secret_env: env, secret_file: file } = channel;
  if (env !== undefined && file !== undefined)
    yaml.problem(base, 'has secret_env and secret_file; accepted: one of them');
  if (env === undefined && file === undefined && (NEEDS_SECRET.has(type) || channel['user'] !== undefined))
    yaml.problem(base, `a channel of type ${type} needs secret_env or secret_file here`);
};

const checkDuration = (
  yaml: YamlSource,
  path: Path,
  given: unknown,
  { min, max }: { readonly min: number; readonly max: number },
): void => {
  if (given === undefined) return;
  const text = typeof given === 'string' ? given : JSON.stringify(given);
  const ms = durationMsOf(text);
  if (ms === null || ms < min || ms > max)
    yaml.problem(
      path,
      `'${text}' — expected a duration such as 500ms, 10s, 5m or 24h, from ${min}ms to ${max}ms`,
    );
};

const checkRule = (
  yaml: YamlSource,
  base: Path,
  rule: NotificationRule,
  channels: readonly string[],
): void => {
  for (const [n, pattern] of rule.events.entries())
    if (!TYPES.some((type) => matchesAny([pattern], type)))
      yaml.problem(
        [...base, 'events', n],
        `'${pattern}' fits no type of event; accepted: ${TYPES.join(', ')}, and patterns with *`,
      );
  for (const [n, channel] of rule.channels.entries())
    if (!channels.includes(channel))
      yaml.problem(
        [...base, 'channels', n],
        `there is no channel '${channel}'; there are: ${channels.join(', ')}`,
      );
  for (const field of ['title', 'text'] as const) {
    const problem = rule[field] === undefined ? null : textProblem(rule[field]);
    if (problem !== null) yaml.problem([...base, field], problem);
  }
};

const textProblem = (source: string): string | null => {
  try {
    const unknown = parseText(source).references.find(([first]) => !MESSAGE_NAMES.includes(first ?? ''));
    return unknown === undefined
      ? null
      : `'${unknown.map((part) => part ?? '[]').join('.')}' is not known; accepted: ${MESSAGE_NAMES.join(', ')}`;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return error.message;
  }
};

const settingsOf = ({
  channels = {},
  rules = [],
  retry = {},
  public_url: publicUrl,
}: GivenFile): NotificationSettings => ({
  channels: new Map(Object.entries(channels).map(([name, channel]) => [name, channelOf(channel)])),
  rules,
  retry: {
    firstMs: msOf(retry.first, RETRY_DEFAULT.firstMs),
    longestMs: msOf(retry.longest, RETRY_DEFAULT.longestMs),
    forMs: msOf(retry.for, RETRY_DEFAULT.forMs),
  },
  publicUrl: publicUrl?.replace(/\/+$/, '') ?? NO_NOTIFICATIONS.publicUrl,
});

const msOf = (given: string | undefined, fallbackMs: number): number =>
  given === undefined ? fallbackMs : (durationMsOf(given) ?? fallbackMs);

const channelOf = (given: GivenChannel): ChannelSpec => {
  const { type, allow_private: allowPrivate = false, timeout, at_once: atOnceMax = AT_ONCE_DEFAULT } = given;
  const tls = given['tls'] ?? 'starttls';
  const own = {
    webhook: { url: given['url'] },
    ntfy: {
      url: String(given['url']).replace(/\/+$/, ''),
      topic: given['topic'],
      priority: given['priority'] ?? null,
    },
    slack: {},
    email: {
      host: given['host'],
      port: given['port'] ?? PORTS[tls as keyof typeof PORTS],
      tls,
      user: given['user'] ?? null,
      from: given['from'],
      to: given['to'],
    },
  }[type];
  const every = { allowPrivate, atOnceMax, timeoutMs: msOf(timeout, TIMEOUT_DEFAULT_MS) };
  // The schema has checked each field.
  return { type, ...every, ...own, secret: secretOf(given) } as unknown as ChannelSpec;
};

const PORTS = { none: 25, starttls: 587, tls: 465 };

const secretOf = ({ secret_env: name, secret_file: path }: GivenChannel): SecretSource | null => {
  if (name !== undefined) return { kind: 'env', name };
  return path === undefined ? null : { kind: 'file', path };
};
