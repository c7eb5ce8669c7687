import { SECRET_MIN_CHARS } from './secret-value.js';
import { writingsOf } from './secret-writings.js';
import { patternOf, StreamRedactor, type Pattern } from './stream-redactor.js';

/** Bytes that come in pieces, with values replaced. */
export type ByteRedactor = { readonly push: (piece: Buffer) => Buffer; readonly end: () => Buffer };

const markOf = (name: string): string => `[secret ${name}]`;

/** Takes the values of secrets, in every usual writing, out of what leaves a step. */
export class Redactor {
  readonly #patterns: readonly Pattern[];
  #bytePatterns: readonly Pattern[] | null = null;

  /** Pairs of name and value; a name may come with several values. */
  constructor(secrets: readonly (readonly [name: string, value: string])[]) {
    const marks = new Map<string, string>();
    for (const [name, value] of secrets)
      for (const writing of writingsOf(value)) if (!marks.has(writing)) marks.set(writing, markOf(name));
    this.#patterns = [...marks].map(([text, mark]) => patternOf(text, mark));
  }

  /** There is nothing to take out. */
  get isIdle(): boolean {
    return this.#patterns.length === 0;
  }

  text(given: string): string {
    if (this.isIdle || given.length < SECRET_MIN_CHARS) return given;
    const stream = new StreamRedactor(this.#patterns);
    return stream.push(given) + stream.end();
  }

  /** A text that comes in pieces. */
  texts(): StreamRedactor {
    return new StreamRedactor(this.#patterns);
  }

  /** JSON, with the names of its fields. A number that has a value in its digits becomes text. */
  value(given: unknown): unknown {
    if (this.isIdle) return given;
    if (typeof given === 'string') return this.text(given);
    if (typeof given === 'number') {
      const digits = String(given);
      const clean = this.text(digits);
      return clean === digits ? given : clean;
    }
    if (Array.isArray(given)) return given.map((item) => this.value(item));
    if (typeof given !== 'object' || given === null) return given;
    return Object.fromEntries(
      Object.entries(given).map(([name, item]) => [this.text(name), this.value(item)]),
    );
  }

  /** As UTF-8, whatever the places where it is cut. */
  bytes(): ByteRedactor {
    if (this.isIdle) return { push: (piece) => piece, end: () => Buffer.alloc(0) };
    this.#bytePatterns ??= [
      ...new Map(this.#patterns.map(({ text, mark }) => [Buffer.from(text).toString('latin1'), mark])),
    ].map(([text, mark]) => patternOf(text, mark));
    const stream = new StreamRedactor(this.#bytePatterns);
    return {
      push: (piece) => Buffer.from(stream.push(piece.toString('latin1')), 'latin1'),
      end: () => Buffer.from(stream.end(), 'latin1'),
    };
  }
}

export const NO_SECRETS = new Redactor([]);
