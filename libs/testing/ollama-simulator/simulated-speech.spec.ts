import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { answerFor, toolCallFor } from './answer.js';
import { DEFAULT_CATALOGUE, isModelName, predictedBytes, type SimModel } from './catalogue.js';
import { embeddingOf } from './embedding.js';
import { goTimestamp, parseGoDuration } from './go-time.js';
import { parseKeepAlive } from './keep-alive.js';
import { seededRandom } from '#libs/simulation/random.js';
import { needsReload, parseOptions, type RunOptions } from './runner-options.js';
import { schemaValue } from './schema-value.js';
import { cutAtStop } from './sim-text.js';

const modelNamed = (name: string): SimModel => {
  const found = DEFAULT_CATALOGUE.find((model) => model.name === name);
  if (!found) throw new Error(`'${name}' is not in the catalogue`);
  return found;
};
const optionsOf = (given: unknown): RunOptions => {
  const options = parseOptions(given);
  if ('error' in options) throw new Error(options.error);
  return options;
};

describe('what the simulated model says', () => {
  const model = modelNamed('llama3.2:1b');

  it('is as long as the request says, and the same for the same request', () => {
    const options = optionsOf({ num_predict: 30, seed: 4 });
    const answer = answerFor(model, 'Hi', options, undefined);
    expect(answer).toMatchObject({ doneReason: 'length' });
    expect(answer.tokens).toHaveLength(30);
    expect(answerFor(model, 'Hi', options, undefined)).toEqual(answer);
  });

  it('ends at a stop word and leaves it out', () => {
    expect(cutAtStop(['ab', 'cd', 'ef'], ['de', 'zz'])).toEqual(['ab', 'c']);
    expect(cutAtStop(['ab', 'cd'], ['', 'x'])).toEqual(['ab', 'cd']);
  });

  it.each([
    {
      type: 'object',
      properties: { a: { type: 'integer', minimum: 3, maximum: 5 }, b: { type: 'boolean' } },
      required: ['a', 'b'],
    },
    { type: 'array', items: { enum: ['x', 'y'] }, minItems: 2, maxItems: 2 },
    {
      type: 'object',
      properties: { n: { $ref: '#/$defs/n' } },
      required: ['n'],
      $defs: { n: { type: 'number', exclusiveMinimum: 10 } },
    },
    { anyOf: [{ type: 'string', minLength: 40, maxLength: 50 }, { type: 'null' }] },
    { type: ['string', 'null'] },
    { const: 42 },
    {
      properties: { deep: { items: { properties: { ok: { type: 'boolean' } }, required: ['ok'] } } },
      required: ['deep'],
    },
  ])('fits the schema %j', (schema) => {
    const accepts = new Ajv({ strict: false }).compile(schema);
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        expect(accepts(schemaValue(schema, seededRandom(seed)))).toBe(true);
      }),
    );
  });

  it('is JSON when JSON is asked for, unless there is too little room for it', () => {
    const whole = answerFor(model, 'Hi', optionsOf({}), 'json');
    expect(JSON.parse(whole.tokens.join(''))).toHaveProperty('answer');
    expect(answerFor(model, 'Hi', optionsOf({ num_predict: 2 }), 'json')).toMatchObject({
      doneReason: 'length',
    });
  });

  it('calls the tool that the last message names', () => {
    const tools = ['alpha', 'beta'].map((name) => ({ function: { name, parameters: { type: 'object' } } }));
    expect(toolCallFor(tools, 'please use beta')?.function.name).toBe('beta');
    expect(toolCallFor(tools, 'please do')).toBeUndefined();
  });

  it('embeds texts with common words closer to each other', () => {
    const [apple, pear, report] = ['a red apple', 'a red pear', 'quarterly figures'].map((text) =>
      embeddingOf(text, 256),
    );
    const likeness = (a: number[] = [], b: number[] = []): number =>
      a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
    expect(likeness(apple, apple)).toBeCloseTo(1, 6);
    expect(likeness(apple, pear)).toBeGreaterThan(likeness(apple, report) + 0.2);
  });
});

describe('what the simulated server reads', () => {
  it.each([
    ['10m', 600_000],
    ['1h15m30.5s', 4_530_500],
    ['-1m', -60_000],
    ['0', 0],
    ['1.5h', 5_400_000],
    ['300', { error: 'time: missing unit in duration "300"' }],
    ['', { error: 'time: invalid duration ""' }],
    ['3 days', { error: 'time: unknown unit " days" in duration "3 days"' }],
    ['x', { error: 'time: invalid duration "x"' }],
  ])('the duration %j as %j', (text, want) => {
    expect(parseGoDuration(text)).toEqual(want);
  });

  it.each([
    [undefined, undefined],
    [0, 0],
    [-1, Infinity],
    [1.5, 1_500],
    ['-1m', Infinity],
    ['5m', 300_000],
    [true, { error: "Unsupported type: 'bool'" }],
  ])('the keep_alive %j as %j', (value, want) => {
    expect(parseKeepAlive(value)).toEqual(want);
  });

  it('runner options: the same ones share a model, others reload it', () => {
    const of = (given: unknown): RunOptions['runner'] => optionsOf(given).runner;
    expect(needsReload(of({ num_ctx: 2048 }), of({ num_ctx: 2048, temperature: 0, unknown: 1 }))).toBe(false);
    expect(needsReload(of({ num_ctx: 2048 }), of({ num_ctx: 4096 }))).toBe(true);
    expect(needsReload(of({ num_gpu: 20 }), of({}))).toBe(false);
    expect(needsReload(of({}), of({ num_gpu: 20 }))).toBe(true);
    expect(of({ num_ctx: 1 }).num_ctx).toBe(4);
  });

  it.each([
    ['llama3.2', true],
    ['library/llama3.2:3b', true],
    ['host.example:5000/ns/m:tag', true],
    ['a b', false],
    ['', false],
    ['m:', false],
  ])('the name %j: %j', (name, want) => {
    expect(isModelName(name)).toBe(want);
  });
});

describe('the simulated machine', () => {
  it('writes times as Go does', () => {
    expect(goTimestamp(new Date(0))).toBe('1970-01-01T00:00:00Z');
    expect(goTimestamp(new Date(120), 0.25)).toBe('1970-01-01T00:00:00.12025Z');
  });

  /** GiB at 4096 and 8192 tokens of one slot, from the published shapes. */
  it.each([
    ['llama3.2:1b', 1.35, 1.48],
    ['llama3.2:3b', 2.32, 2.76],
    ['qwen2.5:7b', 4.58, 4.8],
    ['llama3.1:8b', 5.08, 5.58],
  ])('needs for %s %d and %d GiB', (name, want4k, want8k) => {
    const gib = (context: number): number => predictedBytes(modelNamed(name), context, 1) / 1024 ** 3;
    expect(gib(4_096)).toBeCloseTo(want4k, 1);
    expect(gib(8_192)).toBeCloseTo(want8k, 1);
  });
});
