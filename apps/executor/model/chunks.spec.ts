import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CHUNK_MIN_TOKENS, cutText, tokensAtMost } from './chunks.js';

const texts = fc.array(
  fc.oneof(
    fc.constantFrom(' ', '\n', '\n\n', '. '),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.constant('é漢😀'.repeat(30)),
  ),
  { maxLength: 30 },
);

describe('cutting a text', () => {
  it('keeps all of it, in chunks that fit, with no character cut', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: CHUNK_MIN_TOKENS, max: 300 }), (parts, tokens) => {
        const text = parts.join('').toWellFormed();
        const chunks = cutText(text, tokens, 0);
        expect(chunks.join('')).toBe(text);
        for (const chunk of chunks) expect(tokensAtMost(chunk)).toBeLessThanOrEqual(tokens);
      }),
    );
  });

  it('begins each chunk with the end of the one before, and gets further each time', () => {
    fc.assert(
      fc.property(
        texts,
        fc.integer({ min: CHUNK_MIN_TOKENS, max: 300 }),
        fc.integer({ min: 0, max: 1_000 }),
        (parts, tokens, overlap) => {
          const text = parts.join('').toWellFormed();
          const chunks = cutText(text, tokens, overlap);
          let from = 0;
          for (const [n, chunk] of chunks.entries()) {
            const at = text.indexOf(chunk, from);
            expect(at).toBeGreaterThanOrEqual(0);
            expect(tokensAtMost(chunk)).toBeLessThanOrEqual(tokens);
            if (n > 0) expect(at).toBeGreaterThanOrEqual(from);
            from = at;
          }
          expect(text.endsWith(chunks.at(-1) ?? '')).toBe(true);
          expect(chunks.length).toBeLessThanOrEqual(2 + (Buffer.byteLength(text) * 12) / (tokens * 2));
        },
      ),
    );
  });

  it.each([
    ['a paragraph', `${'a'.repeat(50)}\n\n${'b. b '.repeat(10)}`, 52],
    ['a line', `${'a'.repeat(50)}\n${'b. b '.repeat(10)}`, 51],
    ['a sentence', `${'a'.repeat(50)}. ${'b '.repeat(20)}`, 52],
    ['a word', `${'a'.repeat(50)} ${'b'.repeat(50)}`, 51],
    ['nothing', 'a'.repeat(100), 64],
    ['nothing, where the only seam is too far up', `a ${'b'.repeat(100)}`, 64],
  ])('ends a chunk after %s', (_, text, length) => {
    expect(cutText(text, 32, 0)[0]).toHaveLength(length);
  });

  it('overlaps as told', () => {
    const [first = '', second = ''] = cutText('abcdefghij'.repeat(20), 50, 10);
    expect(first).toHaveLength(100);
    expect(second.slice(0, 20)).toBe(first.slice(-20));
  });

  it('counts bytes, not characters', () => {
    expect([tokensAtMost(''), tokensAtMost('abc'), tokensAtMost('漢字'), tokensAtMost('😀')]).toEqual([
      0, 2, 3, 2,
    ]);
  });
});
