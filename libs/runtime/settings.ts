/**
 * Settings from the environment: every key says what it means, its unit, its default and what is accepted. A service
 * reads all of its keys at once and refuses to start with a list of every bad one.
 */
export type Setting<T> = {
  readonly env: string;
  readonly meaning: string;
  /** What is accepted, as a phrase: `a whole number from 1 to 65535`. */
  readonly accepts: string;
  /** As it would be written in the environment; absent means the key is optional and has no value. */
  readonly fallback?: string;
  /** The value is never shown. */
  readonly secret?: boolean;
  /** Undefined means: not accepted. */
  readonly parse: (text: string) => T | undefined;
};

export type Settings = Readonly<Record<string, Setting<unknown>>>;

type ValueOf<S> = S extends Setting<infer T> ? T : never;
export type Loaded<S extends Settings> = { readonly [K in keyof S]: ValueOf<S[K]> };

export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  constructor(readonly problems: readonly string[]) {
    super(`Bad configuration:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
  }
}

/** Rejects with every problem at once. An empty variable counts as not set. */
export const loadSettings = <S extends Settings>(
  settings: S,
  env: Readonly<Record<string, string | undefined>>,
): Loaded<S> => {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, setting] of Object.entries(settings)) {
    const given = env[setting.env];
    const text = given === undefined || given === '' ? setting.fallback : given;
    if (text === undefined) continue;
    const value = setting.parse(text);
    if (value === undefined) {
      const shown = setting.secret ? 'the value given' : `'${text}'`;
      problems.push(`${setting.env}: ${shown} — expected ${setting.accepts}`);
    }
    values[name] = value;
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return values as Loaded<S>;
};

type Common = { readonly env: string; readonly meaning: string };

export const integer = (
  spec: Common & {
    readonly fallback: number;
    readonly min: number;
    readonly max: number;
    readonly unit?: string;
  },
): Setting<number> => ({
  ...spec,
  fallback: String(spec.fallback),
  accepts: `a whole number from ${spec.min} to ${spec.max}${spec.unit ? ` (${spec.unit})` : ''}`,
  parse: (value) => {
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    return number >= spec.min && number <= spec.max ? number : undefined;
  },
});

export const text = (
  spec: Common & { readonly fallback: string; readonly pattern?: RegExp; readonly accepts?: string },
): Setting<string> => ({
  ...spec,
  accepts: spec.accepts ?? 'text',
  parse: (value) => (spec.pattern === undefined || spec.pattern.test(value) ? value : undefined),
});

export const optionalText = (
  spec: Common & { readonly secret?: boolean; readonly accepts?: string; readonly pattern?: RegExp },
): Setting<string | undefined> => ({
  ...spec,
  accepts: spec.accepts ?? 'text',
  parse: (value) => (spec.pattern === undefined || spec.pattern.test(value) ? value : undefined),
});

export const oneOf = <const T extends string>(
  spec: Common & { readonly fallback: T; readonly values: readonly T[] },
): Setting<T> => ({
  env: spec.env,
  meaning: spec.meaning,
  fallback: spec.fallback,
  accepts: `one of ${spec.values.join(', ')}`,
  parse: (value) => spec.values.find((known) => known === value),
});

export const flag = (spec: Common & { readonly fallback: boolean }): Setting<boolean> => ({
  env: spec.env,
  meaning: spec.meaning,
  fallback: String(spec.fallback),
  accepts: 'true or false',
  parse: (value) => (value === 'true' ? true : value === 'false' ? false : undefined),
});
