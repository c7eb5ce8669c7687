import { createHash } from 'node:crypto';

/** PostgreSQL refuses index entries over about 2,700 bytes; 200 characters are 800 bytes at most. */
const INDEXED_CHARS_MAX = 200;

/**
 * Text as it stands in an indexed column. What a client may choose freely must never stop the projection: U+0000 and
 * lone surrogates are no valid text for PostgreSQL, and very long text is no valid index entry. The same function
 * is applied to the value of a filter, so both meet.
 */
export const indexText = (value: string): string => {
  if (value.length <= INDEXED_CHARS_MAX && PLAIN.test(value)) return value;
  const text = wellFormed(value).replaceAll('\0', '\uFFFD');
  if (text.length <= INDEXED_CHARS_MAX) return text;
  const digest = createHash('sha256').update(text).digest('hex');
  return `${wellFormed(text.slice(0, INDEXED_CHARS_MAX - digest.length - 1))}#${digest}`;
};

const PLAIN = /^[ -~]*$/;

/** Encoding to UTF-8 replaces what is no character. */
const wellFormed = (value: string): string => Buffer.from(value, 'utf8').toString('utf8');
