import { createContext, Script } from 'node:vm';

/**
 * Regular expressions that strangers' texts are matched against. One bad pattern (`(a+)+$`) can take longer than the age
 * of the universe, so every match that is not plainly linear runs under a time limit.
 */
export class BoundedPattern {
  readonly #pattern: RegExp;
  readonly #linear: boolean;

  constructor(source: string, flags = 'u') {
    this.#pattern = new RegExp(source, flags);
    this.#linear = isPlainlyLinear(source);
  }

  /** Ajv tells patterns apart by this. */
  toString(): string {
    return String(this.#pattern);
  }

  /** Throws `PatternTimeoutError` when the limit is reached. */
  test(text: string): boolean {
    if (this.#linear) return this.#pattern.test(text);
    context['pattern'] = this.#pattern;
    context['text'] = text;
    try {
      return Boolean(match.runInContext(context, { timeout: MATCH_LIMIT_MS }));
    } catch {
      throw new PatternTimeoutError(
        `matching against /${this.#pattern.source}/ took longer than ${MATCH_LIMIT_MS} ms`,
      );
    }
  }
}

export class PatternTimeoutError extends Error {
  override readonly name = 'PatternTimeoutError';
}

/** A linear match of the largest accepted text (512 KiB) takes 2 ms; fifty times that, for a busy machine. */
const MATCH_LIMIT_MS = 100;

const context = createContext(Object.create(null) as Record<string, unknown>);
const match = new Script('pattern.test(text)');

/** Anchored, no groups, at most one quantifier: nothing to backtrack into. */
const isPlainlyLinear = (source: string): boolean =>
  source.startsWith('^') && !source.includes('(') && (source.match(/[*+?{]/g) ?? []).length <= 1;
