import { didYouMean } from './suggest.js';

/** A text with `{{ }}` in it is not right, or could not be filled in. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';

  constructor(
    message: string,
    /** Where in the text, from 0; of its whole when null. */
    readonly at: number | null = null,
  ) {
    super(message);
  }
}

export type KnownNames = { readonly filters: readonly string[]; readonly tags: readonly string[] };

type Rule = readonly [said: RegExp, accepted: (match: readonly string[], known: KnownNames) => string];

const ONE_VALUE = "accepted: one value, then filters behind '|'; and, or, not and == between values";

/** What Liquid says while it reads a text, and what is accepted instead. The first that matches counts. */
const RULES: readonly Rule[] = [
  [
    /^undefined filter: (.*)$/,
    ([, name = ''], { filters }) =>
      `${didYouMean(name, filters)}; accepted: filters of LiquidJS, such as default, join, size and upcase`,
  ],
  [
    /^tag "el(se)?if" not found$/,
    () => " (did you mean 'elsif'?); accepted: {% elsif value %} and {% else %} within {% if %}",
  ],
  [/^tag "end\w+" not found$/, () => '; accepted: behind the tag that it closes'],
  [
    /^tag "(.*)" not found$/,
    ([, name = ''], { tags }) => `${didYouMean(name, tags)}; accepted: ${tags.join(', ')}`,
  ],
  [
    /^output .* not closed$/s,
    () => '; accepted: {{ expression }} with }} behind it, and both quotes of a text',
  ],
  [/^tag "\{%.* not closed$/s, () => '; accepted: {% tag %} with %} behind it'],
  [/^tag \{%-?\s*(\w+).* not closed$/s, ([, name = '']) => `; expected {% end${name} %} behind it`],
  [/^raw .* not closed$/s, () => '; expected {% endraw %} behind it'],
  [
    /^invalid value expression/,
    () => "; accepted: a value such as parameters.name, steps.id.output, 'text' or 3",
  ],
  [/^expected ":" after filter name$/, () => "; accepted: arguments such as those of | join: ', '"],
  [/^expected ("\|" before filter|filter name)$/, () => `; ${ONE_VALUE}`],
  [/^expected "="$/, () => '; accepted: {% assign name = value %}'],
  [/^\[ not closed$/, () => '; accepted: a number or a name in quotes between [ and ]'],
  [/^unexpected "if/, () => '; accepted: {% elsif value %} or {% else %}'],
  [/^illegal tag: \{%-?\s*for\b/, () => '; accepted: {% for item in list %}'],
];

/** The error of Liquid with its place in the source, and with what is accepted. */
export const readingError = (error: unknown, source: string, known: KnownNames): ExpressionError => {
  if (error instanceof ExpressionError) return error;
  const said = firstLine(error);
  const begin = (error as { readonly token?: { readonly begin?: unknown } }).token?.begin;
  const at = typeof begin === 'number' ? placeOf(source, begin, said) : null;
  for (const [pattern, accepted] of RULES) {
    const match = pattern.exec(said);
    if (match) return new ExpressionError(`${said}${accepted(match, known)}`, at);
  }
  return new ExpressionError(
    `${said}; accepted: an expression of LiquidJS such as {{ parameters.name | default: 'none' }}`,
    at,
  );
};

/** Of a filter Liquid only says in which `{{ }}` it stands. */
const placeOf = (source: string, begin: number, said: string): number => {
  const [, filter] = /^undefined filter: (.*)$/.exec(said) ?? [];
  const found = filter === undefined ? -1 : source.indexOf(filter, source.indexOf('|', begin));
  return found < 0 ? begin : found;
};

/** Liquid adds a drawing of the place below its message; the place is named by the caller. */
export const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .split('\n')[0]
    ?.replace(/, line:\d+, col:\d+$/, '') ?? '';
