import {
  Context,
  Drop,
  isTruthy,
  Liquid,
  Output,
  Tokenizer,
  toValueSync,
  TypeGuards,
  type Template,
  type Value,
} from 'liquidjs';
import type { MainOutcome, StepOutcomes } from '#libs/domain/task/step-outcomes.js';
import { ExpressionError, firstLine, readingError, type KnownNames } from './expression-error.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { placedSecrets, secretTextOf, type PlacedSecrets, type SecretText } from './secret-text.js';

/**
 * `{{ }}` by LiquidJS, closed in: no files, no inherited properties, no unknown names, bounded time and memory.
 *
 * A text that is exactly one `{{ expression }}` gives the raw value (an object, a list, a number); any other text gives
 * text, in which objects and lists are written as JSON and null as nothing.
 */
export type Expression = {
  readonly source: string;
  /** Names that the expression reads, such as `['parameters', 'model']`. A part that is computed is null. */
  readonly references: readonly Reference[];
  /** Where each of them stands in `source`, in the same order. */
  readonly offsets: readonly number[];
  /** The one reference when the whole text is `{{ a.b.c }}` and nothing else: its value needs no check and no copy. */
  readonly plain: Reference | null;
  /** Throws what Liquid says when a name is not there or a limit is reached. */
  readonly evaluate: (scope: Scope) => unknown;
  /**
   * Whether it holds, as `{% if %}` has it: null and false do not, all else does, 0 and an empty text included, and what is not there
   * is null. Null for a text with more than one `{{ expression }}` in it. Throws when a limit is reached.
   */
  readonly holds: ((scope: Scope) => boolean) | null;
  /** A text cut where an expression or a tag begins, for whoever knows some of it only. One piece where it cannot be cut. */
  readonly pieces: () => readonly Piece[];
  /** For a text with references to secrets in it: what it gives, with where they stand in that. Throws as `evaluate` does. */
  readonly place?: (scope: Scope) => PlacedSecrets;
};

export type Piece = Pick<Expression, 'source' | 'references' | 'evaluate' | 'place'>;

export type Reference = readonly (string | null)[];

export type Scope = {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly steps: StepOutcomes;
  /** How all other steps of the task have ended, for those at its end. */
  readonly task?: MainOutcome;
  /** Other tasks of the workflow, for its parameters only. */
  readonly tasks?: TasksScope;
  /** What a step with `foreach` runs for, and its place from 0. */
  readonly item?: unknown;
  readonly index?: number;
};

/** How tasks ended; `result` is null for one that did not complete. */
export type TasksScope = Readonly<Record<string, { readonly status: string; readonly result: unknown }>>;

const engine = new Liquid({
  strictVariables: true,
  strictFilters: true,
  lenientIf: true,
  ownPropertyOnly: true,
  parseLimit: TEMPLATE_LIMITS.fileBytes,
  renderLimit: TEMPLATE_LIMITS.renderMs,
  memoryLimit: TEMPLATE_LIMITS.renderMemory,
  // No template can be looked up, whatever a tag tries.
  templates: {},
  outputEscape: (value: unknown) => textOf(value),
});

/** Tags that read other templates or change the scope, and filters that hide what they read from the check at load. */
const CLOSED_TAGS = ['include', 'render', 'layout', 'block', 'increment', 'decrement'];
const CLOSED_FILTERS = /_exp$|^sample$/;
for (const tag of CLOSED_TAGS) delete engine.tags[tag];
for (const filter of Object.keys(engine.filters))
  if (CLOSED_FILTERS.test(filter)) delete engine.filters[filter];

const known: KnownNames = {
  filters: Object.keys(engine.filters),
  tags: Object.keys(engine.tags).filter((name) => name !== '#'),
};

/** Whether a text has anything to fill in. */
export const hasExpression = (text: string): boolean => text.includes('{{') || text.includes('{%');

/** Throws `ExpressionError` that says what is wrong with the text. */
export const parseExpression = (source: string): Expression => {
  const secrets = secretTextOf(source);
  return secrets === null ? parsePlain(source) : parseWithSecrets(source, secrets);
};

/** What stands between references is text of its own, so nothing that an expression gives can move or make one. */
const parseWithSecrets = (source: string, { between, names }: SecretText): Expression => {
  const parts = between.map((text) => (hasExpression(text) ? parsePart(text) : text));
  const place = (scope: Scope): PlacedSecrets => {
    const filled = parts.map((part) => (typeof part === 'string' ? part : textOf(part.evaluate(scope))));
    return placedSecrets(names, filled);
  };
  const references = [
    ...parts.flatMap((part) => (typeof part === 'string' ? [] : part.references)),
    ...names.map((name) => ['secrets', name]),
  ];
  const whole: Piece = { source, references, evaluate: (scope) => place(scope).text, place };
  // Nobody who knows some names only knows a secret, so it is not cut.
  return { ...whole, offsets: [], plain: null, holds: null, pieces: () => [whole] };
};

const parsePart = (text: string): Expression => {
  try {
    return parsePlain(text);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new ExpressionError(
      `${said}; beside {{ secrets.<name> }} a text takes whole {{ expressions }} only`,
    );
  }
};

const parsePlain = (source: string): Expression => {
  const templates = parsed(source);
  const { references, offsets } = readBy(templates, source);
  const [only] = templates;
  if (templates.length !== 1 || !(only instanceof Output)) {
    const evaluate = (scope: Scope): unknown => renderText(templates, scope);
    const pieces = (): readonly Piece[] => piecesOf(templates, source);
    return { source, references, offsets, plain: null, evaluate, holds: null, pieces };
  }
  const { value } = only;
  // The last filter is the one that turns values into text for the middle of a text; here the raw value is wanted.
  value.filters.pop();
  const [first] = references;
  const plain =
    value.filters.length === 0 &&
    value.initial.postfix.length === 1 &&
    references.length === 1 &&
    first !== undefined &&
    !first.includes(null)
      ? first
      : null;
  const holds = (scope: Scope): boolean => isTrue(value, scope);
  const whole = { source, references, offsets, plain, holds };
  if (plain === null) {
    const evaluate = (scope: Scope): unknown => rawValue(value, scope, true);
    return { ...whole, evaluate, pieces: () => [{ source, references, evaluate }] };
  }
  // Most expressions are plain, and going there directly is ten times as fast as asking Liquid.
  const evaluate = (scope: Scope): unknown => {
    const found = read(scope, plain);
    return found === undefined ? rawValue(value, scope, false) : found;
  };
  return { ...whole, evaluate, pieces: () => [{ source, references, evaluate }] };
};

/** A text for people with names of the caller's own in it; always gives text. Throws `ExpressionError`, as `render` does. */
export const parseText = (
  source: string,
): {
  readonly references: readonly Reference[];
  readonly render: (names: Readonly<Record<string, unknown>>) => string;
} => {
  const templates = parsed(source);
  return {
    references: readBy(templates, source).references,
    render: (names) => String(renderText(templates, names)),
  };
};

const parsed = (source: string): Template[] => {
  try {
    const templates = engine.parse(source);
    for (const template of templates) if (template instanceof Output) refuseRest(template);
    return templates;
  } catch (error) {
    throw readingError(error, source, known);
  }
};

/** What is read from outside: each name once, where it stands first. */
const readBy = (templates: Template[], source: string): Pick<Expression, 'references' | 'offsets'> => {
  const { globals } = engine.analyzeSync(templates, { partials: false });
  const lines = lineBegins(source);
  const found = new Map<string, { readonly reference: Reference; readonly at: number }>();
  for (const { segments, location } of Object.values(globals).flat()) {
    const reference = segments.map((segment) => (typeof segment === 'object' ? null : String(segment)));
    const key = JSON.stringify(reference);
    const at = (lines[location.row - 1] ?? 0) + location.col - 1;
    if (at < (found.get(key)?.at ?? Number.POSITIVE_INFINITY)) found.set(key, { reference, at });
  }
  const all = [...found.values()];
  return { references: all.map(({ reference }) => reference), offsets: all.map(({ at }) => at) };
};

/** A name that the text gives itself (`assign`) ties its pieces together. */
const piecesOf = (templates: Template[], source: string): readonly Piece[] => {
  const { locals } = engine.analyzeSync(templates, { partials: false });
  const cuts = Object.keys(locals).length > 0 ? [] : templates.map(({ token }) => token.begin);
  const parts =
    cuts.length === 0
      ? [{ of: templates, text: source }]
      : templates.map((template, n) => ({ of: [template], text: source.slice(cuts[n], cuts[n + 1]) }));
  return parts.map(({ of, text }) => ({
    source: text,
    references: readBy(of, source).references,
    evaluate: (scope) => renderText(of, scope),
  }));
};

const lineBegins = (text: string): readonly number[] => {
  const begins = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) begins.push(at + 1);
  return begins;
};

/** Liquid passes over whatever follows a complete expression: `{{ a b }}` reads `a`. Here that is a mistake. */
const refuseRest = ({ token }: Output): void => {
  const tokenizer = new Tokenizer(
    token
      .getText()
      .replace(/^\{\{-?/, '')
      .replace(/-?\}\}$/, ''),
  );
  const { initial } = tokenizer.readFilteredValue();
  const values = initial.postfix.reduce((count, token) => count + effectOf(token), 0);
  if (values === 1 && tokenizer.remaining().trim() === '') return;
  const text = token.getText().slice(0, 160);
  throw new ExpressionError(
    `something is left over in '${text}'; accepted: one value, then filters behind '|'`,
    token.begin,
  );
};

/** What a token of a postfix expression does to the number of values on the stack. */
const effectOf = (token: Value['initial']['postfix'][number]): number => {
  if (!TypeGuards.isOperatorToken(token)) return 1;
  return token.operator === 'not' ? 0 : -1;
};

const renderText = (templates: Template[], scope: object): unknown => {
  try {
    return engine.renderSync(templates, { ...scope });
  } catch (error) {
    throw new ExpressionError(firstLine(error));
  }
};

/** Own properties only; undefined where Liquid has to be asked (it knows `.size`, and says what is missing). */
const read = (scope: Scope, reference: Reference): unknown => {
  let value: unknown = scope;
  for (const name of reference) {
    if (typeof value !== 'object' || value === null || name === null || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
};

const isTrue = (value: Value, scope: Scope): boolean => {
  try {
    const context = new Context({ ...scope }, engine.options, { sync: true }, { liquid: engine });
    return isTruthy(toValueSync(value.value(context, true) as IterableIterator<unknown>), context);
  } catch (error) {
    throw new ExpressionError(firstLine(error));
  }
};

const rawValue = (value: Value, scope: Scope, made: boolean): unknown => {
  let result: unknown;
  try {
    const context = new Context({ ...scope }, engine.options, { sync: true }, { liquid: engine });
    result = toValueSync(value.value(context, false) as IterableIterator<unknown>);
    if (made) refuseUnwritable(result);
  } catch (error) {
    throw new ExpressionError(firstLine(error));
  }
  return result ?? null;
};

/** What a filter made must be writable as JSON: it becomes part of an event. */
const refuseUnwritable = (value: unknown): void => {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new ExpressionError(`the value is ${value}, which JSON cannot hold`);
  if (typeof value === 'function' || typeof value === 'symbol' || value instanceof Drop)
    throw new ExpressionError(
      'the value is a Liquid object; expected text, a number, true, false, a list or an object',
    );
  if (Array.isArray(value)) for (const item of value) refuseUnwritable(item);
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) refuseUnwritable(item);
};

const textOf = (value: unknown): string => {
  if (value === null || value === undefined || value instanceof Drop) return '';
  if (typeof value === 'string') return value;
  return JSON.stringify(value) ?? '';
};
