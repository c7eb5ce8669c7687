import type { Scalar } from 'yaml';

/**
 * Where in the text of a file the character `at` of a scalar's value stands. The value was made of its source by taking away indentation,
 * quotes and escapes, so both are walked together: what is no white space stands in both in the same order.
 */
export const scalarOffset = (text: string, node: Scalar, at: number): number => {
  const [begin = 0, end = text.length] = node.range ?? [];
  const value = String(node.value);
  let place = contentBegin(text, begin, node.type);
  let found = place;
  for (let n = 0; n <= at && n < value.length; n += 1) {
    const wanted = value[n] ?? '';
    if (isPassedOver(wanted)) continue;
    const next = find(text, place, { end, wanted, type: node.type });
    if (next === null) break;
    found = next.at;
    place = next.behind;
  }
  return found;
};

type Wanted = { readonly end: number; readonly wanted: string; readonly type: Scalar['type'] };

const find = (
  text: string,
  from: number,
  { end, wanted, type }: Wanted,
): { readonly at: number; readonly behind: number } | null => {
  for (let at = from; at < end;) {
    const length = type === 'QUOTE_DOUBLE' && text[at] === '\\' ? escapeLength(text, at) : 1;
    if (length === 1 && text[at] === wanted) {
      // Two quotes stand for one.
      return { at, behind: type === 'QUOTE_SINGLE' && wanted === "'" ? at + 2 : at + 1 };
    }
    if (length > 1 && unescaped(text.slice(at, at + length)).startsWith(wanted))
      return { at, behind: at + length };
    at += length;
  }
  return null;
};

/** Behind the quote, or in the line below `|` and `>`. */
const contentBegin = (text: string, begin: number, type: Scalar['type']): number => {
  if (type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE') return begin + 1;
  if (type !== 'BLOCK_LITERAL' && type !== 'BLOCK_FOLDED') return begin;
  const line = text.indexOf('\n', begin);
  return line < 0 ? begin : line + 1;
};

const HEX_LENGTH: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

const escapeLength = (text: string, at: number): number => HEX_LENGTH[text[at + 1] ?? ''] ?? 2;

const unescaped = (escape: string): string =>
  escape.length > 2 ? String.fromCodePoint(Number.parseInt(escape.slice(2), 16) || 0) : escape.slice(1);

/** What is not looked for: white space, what stands there as an escape only, and the second half of a character of two. */
const isPassedOver = (character: string): boolean => /[\s\p{Cc}\uDC00-\uDFFF]/u.test(character);
