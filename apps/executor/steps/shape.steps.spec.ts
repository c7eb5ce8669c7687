import { describe, expect, it } from '@jest/globals';
import { NO_SECRETS } from '#libs/secrets/redactor.js';
import type { StepContext, StepRunner } from '../step-runner.js';
import { formatOutputStep } from './format-output.step.js';
import { transformStep } from './transform.step.js';

const run = async (step: StepRunner, input: Readonly<Record<string, unknown>>): Promise<unknown> => {
  const context: StepContext = {
    taskId: 't1',
    stepId: 's1',
    input,
    requirement: { kind: 'cpu' },
    redactor: NO_SECRETS,
    attempt: 1,
    model: () => Promise.reject(new Error('no model')),
    workspace: () => Promise.reject(new Error('this step has no files')),
    token: () => undefined,
    progress: () => undefined,
    signal: new AbortController().signal,
  };
  return (await step(context)).output;
};

describe('transform', () => {
  const transform = async (value: unknown, check?: unknown): Promise<unknown> =>
    await run(transformStep, { value, ...(check === undefined ? {} : { check }) });

  it('gives the value that it was given', async () => {
    expect(await transform({ a: [1, null] })).toEqual({ a: [1, null] });
    expect(await transform([1, 2], { type: 'array', items: { type: 'integer' } })).toEqual([1, 2]);
    expect(await transform('2026-01-31', { type: 'string', format: 'date' })).toBe('2026-01-31');
  });

  it.each([
    [
      { a: 'x' },
      { properties: { a: { type: 'integer', minimum: 1 } } },
      'value.a',
      /'x'.*a whole number of at least 1/,
    ],
    [
      {},
      { required: ['a'], properties: { a: { type: 'string' } } },
      'value.a',
      /is missing; expected a string/,
    ],
    [[1, 'b'], { items: { type: ['number', 'null'] } }, 'value[1]', /a number or null/],
    [{ b: 1 }, { properties: { a: true }, additionalProperties: false }, 'value.b', /only these fields: a/],
    ['soon', { format: 'date' }, 'value', /to match format "date"/],
    [[1, 1], { uniqueItems: true }, 'value', /to not have duplicate items/],
    [5, { oneOf: [{ type: 'string' }, { const: 6 }] }, 'value', /expected a string or 6/],
    [{ a: 1 }, { properties: { a: false } }, 'value.a', /no value here/],
    [{ 'b c': 1 }, { propertyNames: { pattern: '^a' } }, 'value', /to match pattern/],
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema; nothing here is awaited
    [{ a: 1 }, { if: { required: ['a'] }, then: { required: ['b'] } }, 'value.b', /is missing/],
  ])('refuses %j for %j, and says where and what would be right', async (value, check, path, says) => {
    await expect(transform(value, check)).rejects.toMatchObject({
      code: 'VALUE_REFUSED',
      message: expect.stringMatching(says),
      details: { problems: [{ path, accepted: expect.any(String) }] },
    });
  });

  it.each([
    [{ type: 'strnig' }, /not a JSON Schema: type must be equal/],
    [{ properties: { a: { minimum: 'x' } } }, /properties\.a\.minimum must be number/],
    [{ $ref: 'https://example.com/schema.json' }, /can't resolve reference/],
    [{ pattern: '(' }, /Invalid regular expression/],
    [{ $async: true }, /\$async/],
    [{ description: 'x'.repeat(70_000) }, /70\d\d\d bytes; accepted: .* up to 65536 bytes/],
    [JSON.parse(`${'{"not":'.repeat(40)}{}${'}'.repeat(40)}`), /nests deeper than 32/],
    [[], /it is no object/],
  ])('refuses the schema %.80j', async (check, says) => {
    await expect(transform(1, check)).rejects.toMatchObject({
      code: 'STEP_INPUT_INVALID',
      message: expect.stringMatching(says),
    });
  });

  it('ends a check that would take too long, and one that would never end', async () => {
    const slow = { uniqueItems: true };
    const value = Array.from({ length: 30_000 }, (_, n) => ({ n: { m: [n] } }));
    await expect(transform(value, slow)).rejects.toMatchObject({
      code: 'VALUE_REFUSED',
      message: expect.stringMatching(/could not be checked: .*timed out/),
    });
    await expect(transform(1, { $ref: '#' })).rejects.toMatchObject({
      message: expect.stringMatching(/could not be checked|JSON Schema/),
    });
    const deep: unknown = JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`);
    await expect(transform(deep, { items: { $ref: '#' } })).rejects.toMatchObject({
      message: expect.stringMatching(/nests deeper/),
    });
    await expect(transform(`${'a'.repeat(40)}!`, { pattern: '^(a+)+$' })).rejects.toMatchObject({
      message: expect.stringMatching(/took longer than/),
    });
  });
});

describe('format_output', () => {
  const format = async (input: Readonly<Record<string, unknown>>): Promise<unknown> =>
    ((await run(formatOutputStep, input)) as { text: string }).text;

  it('says what it made', async () => {
    expect(await run(formatOutputStep, { format: 'json', value: { a: 'ü' } })).toEqual({
      text: '{\n  "a": "ü"\n}\n',
      media_type: 'application/json',
      bytes: 16,
    });
    const type = async (input: Readonly<Record<string, unknown>>): Promise<unknown> =>
      ((await run(formatOutputStep, input)) as { media_type: string }).media_type;
    expect(await type({ format: 'csv', value: [[1]] })).toBe('text/csv; charset=utf-8; header=absent');
    expect(await type({ format: 'csv', value: [{ a: 1 }] })).toBe('text/csv; charset=utf-8; header=present');
    expect(await type({ format: 'markdown', value: null })).toBe('text/markdown; charset=utf-8');
    expect(await type({ format: 'text', value: null })).toBe('text/plain; charset=utf-8');
  });

  it.each([
    ['objects, by the fields that any has', [{ a: 1 }, { b: 'x', a: null }], 'a,b\r\n1,\r\n,x\r\n'],
    ['lists', [[1, true], ['x']], '1,true\r\nx\r\n'],
    ['nothing', [], ''],
    [
      'quotes, commas and line breaks',
      [['a"b', 'c,d', 'e\nf', 'g\r\nh']],
      '"a""b","c,d","e\nf","g\r\nh"\r\n',
    ],
    ['spaces at the ends', [[' a', 'b ']], '" a","b "\r\n'],
    ['what has parts', [[{ a: [1] }]], '"{""a"":[1]}"\r\n'],
    [
      'formulas',
      [['=1+1', '+cmd', '-2+3', '@SUM(A1)', '\t=1', '\r=1']],
      `"'=1+1","'+cmd","'-2+3","'@SUM(A1)","'\t=1","'\r=1"\r\n`,
    ],
    [
      'formulas behind spaces and in wide letters',
      [[' =1', '＝1', '＋1', '－1', '＠A', '\u200b=1']],
      `"' =1","'＝1","'＋1","'－1","'＠A","'\u200b=1"\r\n`,
    ],
    ['formulas in the names', [{ '=1': 1 }], `"'=1"\r\n1\r\n`],
    [
      'numbers, which are no formulas',
      [[-5, '-5', '+3.25', '-1e9', 'a-b', 'a=b']],
      '-5,-5,+3.25,-1e9,a-b,a=b\r\n',
    ],
    ['separators of other countries', [['a;=1', 'b\tc']], '"a;=1","b\tc"\r\n'],
  ])('writes CSV of %s', async (_, value, expected) => {
    expect(await format({ format: 'csv', value })).toBe(expected);
  });

  it('takes the columns that it is given, in their order', async () => {
    const value = [{ a: 1, b: 2, c: 3 }, { c: 4 }];
    const columns = ['c', { field: 'a', title: 'A, first' }];
    expect(await format({ format: 'csv', value, columns })).toBe('c,"A, first"\r\n3,1\r\n4,\r\n');
    expect(await format({ format: 'csv', value: [], columns })).toBe('c,"A, first"\r\n');
    expect(await format({ format: 'csv', value: [[1, 2]], columns: ['x', 'y'] })).toBe('x,y\r\n1,2\r\n');
    expect(await format({ format: 'markdown', value, columns })).toBe(
      '| c | A, first |\n| --- | --- |\n| 3 | 1 |\n| 4 |  |\n',
    );
    expect(await format({ format: 'csv', value: [{}], columns: ['constructor'] })).toBe(
      'constructor\r\n""\r\n'.replace('""', ''),
    );
  });

  it.each([
    ['text', 'csv', /expected a list of objects/],
    [{ a: 1 }, 'csv', /expected a list of objects/],
    [[1, 2], 'csv', /expected a list of objects/],
    [[{ a: 1 }, [2]], 'csv', /value\[1\]: \[2\] is not accepted; expected an object/],
    [[[1], 5], 'markdown', /value\[1\]: 5 is not accepted; expected a list/],
  ])('refuses %j for %s', async (value, kind, says) => {
    await expect(format({ format: kind, value })).rejects.toMatchObject({
      code: 'STEP_INPUT_INVALID',
      message: expect.stringMatching(says),
    });
  });

  it.each([
    ['a text as it is', '**bold**', '**bold**\n'],
    ['objects as a table', [{ a: 1, b: null }], '| a | b |\n| --- | --- |\n| 1 |  |\n'],
    ['lists as a table', [[1], [2, 3]], '| 1 | 2 |\n| --- | --- |\n| 1 |  |\n| 2 | 3 |\n'],
    ['an object as a table', { a: 1 }, '| field | value |\n| --- | --- |\n| a | 1 |\n'],
    ['other lists as a list', ['a', 2], '- a\n- 2\n'],
    ['a number', 5, '5\n'],
    [
      'what would be Markdown or HTML in a cell as text',
      [{ 'a|b': 'x|y\\|z\r\n<img src=x onerror=alert(1)> [l](javascript:x) `c` *i* _u_ &amp;' }],
      '| a\\|b |\n| --- |\n| x\\|y\\\\\\|z<br>\\<img src=x onerror=alert(1)\\> \\[l\\](javascript:x) \\`c\\` \\*i\\* \\_u\\_ &amp;amp; |\n',
    ],
  ])('writes Markdown of %s', async (_, value, expected) => {
    expect(await format({ format: 'markdown', value })).toBe(expected);
  });

  it.each([
    ['a text', 'a\n', 'a\n'],
    ['an object', { a: 1, b: { c: 2 } }, 'a: 1\nb: {"c":2}\n'],
    ['a list', ['a', 1, null], 'a\n1\n\n'],
    ['objects', [{ a: 1 }, { a: 2 }], 'a: 1\n\na: 2\n'],
  ])('writes plain text of %s', async (_, value, expected) => {
    expect(await format({ format: 'text', value })).toBe(expected);
  });

  it('puts the title on top, on one line', async () => {
    expect(await format({ format: 'markdown', value: 'x', title: 'A\n# <b>' })).toBe(
      '# A \\# \\<b\\>\n\nx\n',
    );
    expect(await format({ format: 'text', value: 'x', title: 'A' })).toBe('A\n\nx\n');
  });
});
