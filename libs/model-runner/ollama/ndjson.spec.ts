import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter } from './ndjson.js';

describe('the line splitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    const line = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\n') && text.trim() !== '');
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 8 }),
        fc.array(fc.nat(60), { maxLength: 20 }),
        (lines, cuts) => {
          const splitter = new LineSplitter(10_000);
          const seen: string[] = [];
          let rest = Buffer.from(lines.map((text) => `${text}\n`).join(''));
          for (const cut of cuts) {
            seen.push(...splitter.push(rest.subarray(0, cut)));
            rest = rest.subarray(cut);
          }
          seen.push(...splitter.push(rest), ...splitter.end());
          expect(seen).toEqual(lines);
        },
      ),
    );
  });

  it('refuses a line that does not end', () => {
    const splitter = new LineSplitter(10);
    splitter.push(Buffer.from('12345'));
    expect(() => splitter.push(Buffer.from('678901'))).toThrow('more than 10 bytes');
  });

  it('counts each line for itself', () => {
    const splitter = new LineSplitter(10);
    expect(splitter.push(Buffer.from('12345678\n12345678\n123'))).toEqual(['12345678', '12345678']);
    expect(splitter.end()).toEqual(['123']);
  });
});
