import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';

describe('canonical JSON', () => {
  it.each([
    {
      name: 'sorts the keys of objects at every depth',
      value: { b: { d: 1, c: 2 }, a: 3 },
      want: '{"a":3,"b":{"c":2,"d":1}}',
    },
    { name: 'keeps the order of lists', value: [3, 1, 2], want: '[3,1,2]' },
    {
      name: 'writes Maps as entries in insertion order',
      value: new Map<unknown, unknown>([
        ['b', 1],
        ['a', new Map([[1, { z: 1, y: 2 }]])],
      ]),
      want: '[["b",1],["a",[[1,{"y":2,"z":1}]]]]',
    },
    { name: 'writes Sets as lists', value: new Set(['b', 'a']), want: '["b","a"]' },
    { name: 'leaves out what is undefined', value: { a: undefined, b: 1 }, want: '{"b":1}' },
    { name: 'keeps places in lists', value: [undefined, 1], want: '[null,1]' },
    { name: 'escapes text', value: { 'a"b': 'line\nbreak' }, want: '{"a\\"b":"line\\nbreak"}' },
    { name: 'tells null from nothing', value: { a: null }, want: '{"a":null}' },
    { name: 'writes text, numbers and truth alone', value: 'x', want: '"x"' },
    { name: 'writes an empty value', value: {}, want: '{}' },
  ])('$name', ({ value, want }) => expect(canonicalJson(value)).toBe(want));

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 1, Symbol('x'), new Date(0), /x/])(
    'refuses %p',
    (value) => {
      expect(() => canonicalJson({ value })).toThrow(TypeError);
    },
  );

  it('writes a cloned Map as it writes the Map', () => {
    const value = { map: new Map([['b', { c: 1 }]]), set: new Set(['a']) };
    expect(canonicalJson(structuredClone(value))).toBe(canonicalJson(value));
  });

  it('reads back as the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(JSON.parse(canonicalJson(JSON.parse(text)))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('is equal for objects whose keys came in another order, and different for Maps', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 2 }), (value) => {
        const entries = Object.entries(value);
        const turned = entries.toReversed();
        expect(canonicalJson(Object.fromEntries(turned))).toBe(canonicalJson(Object.fromEntries(entries)));
        expect(canonicalJson(new Map(turned))).not.toBe(canonicalJson(new Map(entries)));
      }),
    );
  });
});
