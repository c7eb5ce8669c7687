import { InvalidArgumentError, Option } from 'commander';

/** How values on the command line are read; what is not accepted says what would be. */
export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };

export const oneOf =
  <const T extends string>(values: readonly T[]) =>
  (text: string): T => {
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`Expected ${values.join(', ')}.`);
  };

/** Gathers what is given several times. */
export const several = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** `name=value` or `name:value`. */
export const labelPair = (text: string): readonly [name: string, value: string] => {
  const [, name, value] = /^([A-Za-z0-9_.-]{1,64})[=:](.*)$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new InvalidArgumentError(
    'Expected name=value; a name has letters, digits, _, . and -, at most 64 of them.',
  );
};

/** Gathers labels as `name:value`, which is how the API filters by them. */
export const severalLabels = (text: string, before: readonly string[]): readonly string[] => [
  ...before,
  labelPair(text).join(':'),
];

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** How long: `90s`, `15m`, `2h`, `7d`. Answers milliseconds. */
export const duration = (text: string): number => {
  const ms = spanMs(text);
  if (ms !== null) return ms;
  throw new InvalidArgumentError('Expected how long, such as 90s, 15m, 2h or 7d.');
};

const spanMs = (text: string): number | null => {
  const [, amount, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  return amount === undefined ? null : Number(amount) * (UNITS_MS[unit] ?? Number.NaN);
};

/** A time in UTC, or how long from now: `2026-01-31T12:00:00Z`, `90s`, `15m`, `2h`, `7d`. Answers RFC 3339. */
export const timeAhead =
  (nowMs: () => number = Date.now) =>
  (text: string): string => {
    const span = spanMs(text);
    const ms = span === null ? absoluteMs(text) : nowMs() + span;
    if (isWritable(ms)) return new Date(ms).toISOString();
    throw new InvalidArgumentError(
      'Expected a time in UTC such as 2026-01-31T12:00:00Z, or how long from now, such as 15m or 2h.',
    );
  };

/** Years of four digits, as RFC 3339 has them. */
const isWritable = (ms: number): boolean => ms < Date.UTC(10_000, 0);

/** A time in UTC, or how long ago: `2026-01-31T12:00:00Z`, `2026-01-31`, `90s`, `15m`, `2h`, `7d`. Answers RFC 3339. */
export const pointInTime =
  (nowMs: () => number = Date.now) =>
  (text: string): string => {
    const span = spanMs(text);
    const ms = span === null ? absoluteMs(text) : nowMs() - span;
    if (Number.isFinite(ms)) return new Date(ms).toISOString();
    throw new InvalidArgumentError(
      'Expected a time in UTC such as 2026-01-31T12:00:00Z, or how long ago, such as 15m or 2h.',
    );
  };

/** The same, or the sequence of an event, which is all digits. */
export const pastMoment =
  (nowMs: () => number = Date.now) =>
  (text: string): string =>
    /^[1-9]\d{0,14}$/.test(text) ? text : pointInTime(nowMs)(text);

/** A time without a zone would be read as local time, and the log knows only one. */
const absoluteMs = (text: string): number =>
  /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN;

/** An option that the environment may give too; an empty variable counts as not set. */
export const optionWithEnv = (
  flags: string,
  description: string,
  variable: string,
  env: NodeJS.ProcessEnv = process.env,
): Option => {
  const option = new Option(flags, description);
  return env[variable] ? option.env(variable) : option;
};
