/** One way of writing one secret. */
export type Pattern = {
  readonly text: string;
  /** What stands in its place. */
  readonly mark: string;
  /** Of Knuth, Morris and Pratt: for each length of a beginning, that of the longest shorter one that it ends with. */
  readonly fallback: Int32Array;
};

export const patternOf = (text: string, mark: string): Pattern => {
  const fallback = new Int32Array(text.length + 1);
  for (let n = 1, length = 0; n < text.length; n += 1) {
    while (length > 0 && text[n] !== text[length]) length = fallback[length] ?? 0;
    if (text[n] === text[length]) length += 1;
    fallback[n + 1] = length;
  }
  return { text, mark, fallback };
};

type Found = { start: number; end: number; mark: string };

/** The end of a text that is cut off in the middle of a value counts as one from this length, and this part of it, on. */
const BEGUN_MIN_CHARS = 8;
const BEGUN_MIN_SHARE = 0.25;

type Tail = { readonly length: number; readonly pattern: Pattern | null };

/**
 * Replaces values in a text that comes in pieces, whatever the places where it was cut. What may be the beginning of a value is held
 * back until that is known, so never more than the longest of them.
 */
export class StreamRedactor {
  #held = '';
  /** So much of what is held belongs to a value whose mark was given already. */
  #marked = 0;

  constructor(private readonly patterns: readonly Pattern[]) {}

  push(piece: string): string {
    const text = this.#held + piece;
    return this.#give(text, text.length - this.#openTail(text).length);
  }

  /** The rest. */
  end(): string {
    const text = this.#held;
    const { length, pattern } = this.#openTail(text);
    if (pattern === null || length < Math.max(BEGUN_MIN_CHARS, pattern.text.length * BEGUN_MIN_SHARE))
      return this.#give(text, text.length);
    const mark = this.#marked >= text.length ? '' : pattern.mark;
    return this.#give(text, text.length - length) + mark;
  }

  /** What stands before `until`, with marks; the rest is held. */
  #give(text: string, until: number): string {
    const parts: string[] = [];
    let from = 0;
    let marked = 0;
    for (const { start, end, mark } of this.#values(text)) {
      if (start >= until && start >= this.#marked) break;
      parts.push(text.slice(from, start), start < this.#marked ? '' : mark);
      from = Math.min(end, until);
      marked = Math.max(0, end - until);
    }
    if (from < until) parts.push(text.slice(from, until));
    this.#held = text.slice(until);
    this.#marked = marked;
    return parts.join('');
  }

  /** Where values stand, in order; those that overlap are one. */
  #values(text: string): readonly Found[] {
    const found: Found[] = this.#marked > 0 ? [{ start: 0, end: this.#marked, mark: '' }] : [];
    for (const { text: value, mark } of this.patterns) {
      let last: Found | null = null;
      for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
        const end = at + value.length;
        if (last !== null && at < last.end) last.end = end;
        else found.push((last = { start: at, end, mark }));
      }
    }
    found.sort((a, b) => a.start - b.start || b.end - a.end);
    const joined: Found[] = [];
    for (const next of found) {
      const last = joined.at(-1);
      if (last === undefined || next.start >= last.end) joined.push(next);
      else last.end = Math.max(last.end, next.end);
    }
    return joined;
  }

  /** Length of the longest end of the text with which a value may begin. */
  #openTail(text: string): Tail {
    let longest: Tail = { length: 0, pattern: null };
    for (const pattern of this.patterns) {
      const { text: value, fallback } = pattern;
      let length = 0;
      for (let n = Math.max(0, text.length - value.length + 1); n < text.length; n += 1) {
        while (length > 0 && text[n] !== value[length]) length = fallback[length] ?? 0;
        if (text[n] === value[length]) length += 1;
      }
      if (length > longest.length) longest = { length, pattern };
    }
    return longest;
  }
}
