import { describe, expect, it } from '@jest/globals';
import { isScalar, parseDocument } from 'yaml';
import { scalarOffset } from './scalar-offset.js';

/** Each text holds one value with an X in it; its place in the value has to lead to its place in the text. */
describe('the place of a character of a value', () => {
  it.each([
    'a: one X two',
    'a: one\n  two\n\n  X three',
    "a: 'it''s one of ''those'' X'",
    "a: 'folded\n  over ''lines''\n  X'",
    String.raw`a: "tab\t, quote \", \u0041, \x41, \U0001F600, back\\slash X"`,
    'a: "folded \\\n   over\n   lines X"',
    'a: |\n  one\n\n    two  \n  X\n',
    'a: |2-\n    one\n  X',
    'a: >+ # why\n  one\n  two\n\n   more\n  X\n\n',
    'a: >-\n  é 😀 X',
    'a:\r\n  - b\r\nc: |\r\n  one\r\n  X\r\n',
  ])('is found in %j', (text) => {
    const document = parseDocument(text);
    const node = document.getIn([text.includes('c:') ? 'c' : 'a'], true);
    if (!isScalar(node)) throw new Error('no scalar');
    const at = String(node.value).indexOf('X');
    expect(at).toBeGreaterThanOrEqual(0);
    expect(scalarOffset(text, node, at)).toBe(text.indexOf('X'));
  });
});
