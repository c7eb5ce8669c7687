import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Redactor } from './redactor.js';
import { secretOf } from './secret-value.js';

/** Goal: no usual writing of a value is left in what comes out, wherever it is cut, and other text is left alone. */
const TOKEN = 'ghp_A1b2/C3+d4 "é"&?=<x>\'7';
const PLAIN = 'sk-live-0123456789abcdef';
const redactor = new Redactor([
  ['token', TOKEN],
  ['plain', PLAIN],
]);

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const WRITINGS: readonly (readonly [string, string])[] = [
  ['as it is', TOKEN],
  ['JSON', JSON.stringify({ a: TOKEN })],
  ['JSON in JSON', JSON.stringify(JSON.stringify({ a: TOKEN }))],
  ['JSON in ASCII', JSON.stringify(TOKEN).replace('é', '\\u00e9')],
  ['a query', `https://h/?k=${encodeURIComponent(TOKEN)}&x=1`],
  ['a query in lower case', encodeURIComponent(TOKEN).replace(/%../g, (code) => code.toLowerCase())],
  ['a form', new URLSearchParams({ k: TOKEN }).toString()],
  ['a URL as browsers write it', new URL(`https://h/?${TOKEN.replaceAll('&', '')}&${TOKEN}`).search],
  ['base64', base64(TOKEN)],
  ['base64 with a line end in it', base64(`${TOKEN}\n`)],
  ['base64 behind a name', base64(`x-access-token:${TOKEN}`)],
  ['base64 behind another', base64(`user:${TOKEN}`)],
  ['base64 behind a third', base64(`ab:${TOKEN}`)],
  ['base64 for URLs', Buffer.from(TOKEN).toString('base64url')],
  ['hexadecimal', Buffer.from(TOKEN).toString('hex')],
  ['HTML', TOKEN.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')],
  ['UTF-8 taken for Latin-1', Buffer.from(TOKEN).toString('latin1')],
];

describe('a text', () => {
  it.each(WRITINGS)('has no value in it that was written as %s', (_how, text) => {
    const clean = redactor.text(`before ${text} after`);
    expect(clean).toMatch(/^before .*\[secret token\].* after$/s);
    // What is left of base64 beside the mark holds less than one character of the value.
    expect(clean.replaceAll('[secret token]', '').length).toBeLessThan(text.length - TOKEN.length + 40);
  });

  it('keeps what is no value', () => {
    const text = `${PLAIN.slice(0, -1)} ${TOKEN.slice(1)} sk-live-`;
    expect(redactor.text(`${text} .`)).toBe(`${text} .`);
  });

  it('names the secret', () =>
    expect(redactor.text(`a${PLAIN}b${PLAIN}`)).toBe('a[secret plain]b[secret plain]'));

  it('that was cut in a value ends before it', () => {
    expect(redactor.text(`key: ${PLAIN.slice(0, 15)}`)).toBe('key: [secret plain]');
    expect(redactor.text(`key: ${PLAIN.slice(0, 7)}`)).toBe(`key: ${PLAIN.slice(0, 7)}`);
  });

  it('has no line of a value of several lines', () => {
    const pem = `-----BEGIN KEY-----\n${'Ab1'.repeat(20)}\n${'Zy9'.repeat(20)}\n-----END KEY-----`;
    const clean = new Redactor([['pem', pem]]).text(`  1 ${'Zy9'.repeat(20)}\n  2 -----END KEY-----`);
    expect(clean).toBe('  1 [secret pem]\n  2 -----END KEY-----');
  });

  it('of base64 in lines has none', () => {
    const long = 'x9Q'.repeat(50);
    const lines = base64(long).replace(/.{76}/g, '$&\n');
    expect(new Redactor([['long', long]]).text(lines)).not.toContain(base64(long).slice(0, 20));
  });
});

describe('a value', () => {
  it('is replaced in names, texts and digits, however deep', () => {
    const digits = new Redactor([['pin', '123456789']]);
    expect(digits.value({ a: [123456789, { '123456789': 'my 123456789' }], b: null, c: 12 })).toEqual({
      a: ['[secret pin]', { '[secret pin]': 'my [secret pin]' }],
      b: null,
      c: 12,
    });
  });

  it('is given back as it was where there is no secret', () => {
    const given = { a: [1, 'x'] };
    expect(new Redactor([]).value(given)).toBe(given);
  });
});

describe('a stream', () => {
  const secret = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength: 8, maxLength: 12 });
  const noise = fc.array(
    fc.oneof(fc.constant(null), fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })),
    {
      maxLength: 12,
    },
  );

  it('gives the same whatever the places where it is cut, and never a value', () => {
    fc.assert(
      fc.property(
        secret,
        noise,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (value, parts, cuts) => {
          const text = parts.map((part) => part ?? value).join('');
          const one = new Redactor([['s', value]]);
          const stream = one.bytes();
          let out = '';
          for (let at = 0, n = 0; at < text.length; n += 1) {
            const size = cuts[n % cuts.length] ?? 1;
            out += stream.push(Buffer.from(text.slice(at, at + size))).toString();
            at += size;
          }
          out += stream.end().toString();
          expect(out).toBe(one.text(text));
          expect(out.replaceAll('[secret s]', '')).not.toContain(value);
          if (text.includes(value)) expect(out).toContain('[secret s]');
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('holds back no more than a value, whatever comes', () => {
    const stream = new Redactor([['s', 'aaaaaaaa']]).bytes();
    let given = 0;
    for (let n = 0; n < 10_000; n += 1) given += stream.push(Buffer.from('aaaaaaaaaa')).length;
    expect(given + stream.end().length).toBe('[secret s]'.length);
  });
});

describe('what may be a secret', () => {
  it.each([
    ['short', 'has 5 characters'],
    ['x'.repeat(20_000), 'has 20000 bytes'],
    ['with\0nul in it', 'has a NUL'],
  ])('is not %j', (text, why) => {
    expect(secretOf(Buffer.from(text))).toEqual({ problem: expect.stringContaining(why) });
  });

  it('is not what is no text, and is taken without the line end of a file', () => {
    expect(secretOf(Uint8Array.of(0xff, 0xfe, 1, 2, 3, 4, 5, 6, 7))).toEqual({ problem: 'is not UTF-8' });
    expect(secretOf(Buffer.from('a value \n\r\n'))).toEqual({ value: 'a value \n' });
  });
});
