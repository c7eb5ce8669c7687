import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { planSteps } from './plan-steps.js';
import { renderResult, renderStep } from './render.js';
import { validateParameters } from './validate-parameters.js';

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 'test.yaml');
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.template;
};

const completed = (output: unknown) => ({ status: 'completed', output, error: null }) as const;

const echo = (value: string, parameters = '{ p: { type: any } }'): CompiledTemplate =>
  compiled(
    `name: t\nparameters: ${parameters}\nsteps:\n  - id: a\n    type: noop\n    with:\n      echo: ${value}\n`,
  );

const filled = (value: string, p: unknown): unknown => {
  const rendered = renderStep(echo(value), 'a', { parameters: p === undefined ? {} : { p }, steps: {} });
  return rendered.ok ? rendered.input['echo'] : rendered.failure;
};

describe('filling in', () => {
  it.each([
    ['a whole expression keeps an object', "'{{ parameters.p }}'", { a: [1] }, { a: [1] }],
    ['a whole expression keeps a number', "'{{ parameters.p }}'", 5, 5],
    ['a whole expression keeps false', "'{{ parameters.p }}'", false, false],
    ['a whole expression reaches into objects', "'{{ parameters.p.a[1].b }}'", { a: [0, { b: 'x' }] }, 'x'],
    ['a whole expression keeps what a filter makes', "'{{ parameters.p | plus: 1 }}'", 5, 6],
    ['Liquid words work', "'{{ parameters.p.size }}'", [1, 2, 3], 3],
    ['a default steps in for what was not given', "'{{ parameters.p | default: 7 }}'", undefined, 7],
    ['text around makes text', "'<{{ parameters.p }}>'", 5, '<5>'],
    ['an object in text is JSON', "'<{{ parameters.p }}>'", { a: [1] }, '<{"a":[1]}>'],
    ['null in text is nothing', "'<{{ parameters.p }}>'", undefined, '<>'],
    ['two expressions make text', "'{{ parameters.p }}{{ parameters.p }}'", 1, '11'],
    ['tags work', "'{% for x in parameters.p %}[{{ x }}]{% endfor %}'", [1, 2], '[1][2]'],
    ['raw text stays', "'{% raw %}{{ x }}{% endraw %}'", 1, '{{ x }}'],
    ['a null that was not asked for is left out', "'{{ parameters.p }}'", undefined, undefined],
    ['nested values are filled in', "{ list: ['{{ parameters.p }}', 2] }", 1, { list: [1, 2] }],
  ])('%s', (_, value, p, expected) => {
    expect(filled(value, p)).toEqual(expected);
  });

  it('gives a value that looks like an expression as it is: parameters are data', () => {
    expect(filled("'{{ parameters.p }}'", '{{ parameters.secret }}')).toBe('{{ parameters.secret }}');
  });

  it.each([
    ['what is not there', "'{{ parameters.p.x }}'", {}, /undefined variable: parameters\.p\.x/],
    ['an inherited property', "'{{ parameters.p.constructor }}'", {}, /undefined variable/],
    [
      'a number that JSON cannot hold',
      "'{{ parameters.p | divided_by: 0.0 }}'",
      1,
      /Infinity, which JSON cannot hold/,
    ],
    ['too much text', '"{% for i in (1..100000000) %}x{% endfor %}"', 1, /limit exceeded/],
  ])('fails for %s and says where', (_, value, p, says) => {
    expect(filled(value, p)).toEqual({
      code: 'TEMPLATE_RENDER_FAILED',
      message: expect.stringMatching(says),
    });
    expect(filled(value, p)).toMatchObject({
      message: expect.stringMatching(/template 't', steps\.a\.with\.echo: .* in '/),
    });
  });

  it('refuses an input that no event can carry', () => {
    expect(filled("'{{ parameters.p }}{{ parameters.p }}'", 'x'.repeat(500_000))).toEqual({
      code: 'STEP_INPUT_INVALID',
      message: expect.stringMatching(/more than 921600 bytes/),
    });
    expect(filled("'{{ parameters.p }}'", 'x'.repeat(500_000))).toHaveLength(500_000);
  });

  it('hands a constant input out as it stands', () => {
    const template = echo('[1, 2]');
    const [one, two] = [1, 2].map(() => renderStep(template, 'a', { parameters: {}, steps: {} }));
    expect(one).toEqual({ ok: true, uses: [], input: { echo: [1, 2] } });
    expect(one?.ok && two?.ok && one.input === two.input).toBe(true);
  });

  it('survives a template that came back from the log', () => {
    const template = JSON.parse(JSON.stringify(echo("'{{ parameters.p }}'"))) as CompiledTemplate;
    expect(renderStep(template, 'a', { parameters: { p: 1 }, steps: {} })).toEqual({
      ok: true,
      uses: [],
      input: { echo: 1 },
    });
  });

  it('says which steps there are, and which step types this version knows', () => {
    const template = echo('1');
    expect(renderStep(template, 'b', { parameters: {}, steps: {} })).toMatchObject({
      failure: { code: 'STEP_INPUT_INVALID', message: "template 't' has no step 'b'; it has a" },
    });
    const newer = { ...template, steps: template.steps.map((step) => ({ ...step, type: 'teleport' })) };
    expect(renderStep(newer, 'a', { parameters: {}, steps: {} })).toMatchObject({
      failure: { code: 'STEP_TYPE_UNKNOWN' },
    });
  });
});

const CHAIN = `
name: chain
parameters: { model: { type: string, required: true }, options: { type: object, default: {} }, shout: { type: boolean } }
steps:
  - id: one
    type: ollama_generate
    with: { model: '{{ parameters.model }}', prompt: Hello, options: '{{ parameters.options }}' }
  - id: two
    type: ollama_generate
    retry: { attempts_max: 1, backoff_ms: 0, on: [timeout, model, MODEL_ERROR] }
    with:
      model: '{{ parameters.model }}'
      prompt: 'Say more about {{ steps.one.output.text }}'
      options: { num_ctx: 1024, seed: '{{ steps.one.output.seed }}' }
  - { id: three, type: noop, needs: [two] }
output: { text: '{{ steps.two.output.text }}', length: '{{ steps.two.output.text | size }}' }
`;

describe('a step that reads another one', () => {
  const template = compiled(CHAIN);
  const parameters = { model: 'm:1', options: {} };

  it('gets its output', () => {
    const steps = { one: completed({ text: 'rain', seed: 4 }) };
    expect(renderStep(template, 'two', { parameters, steps })).toEqual({
      ok: true,
      uses: [],
      input: { model: 'm:1', prompt: 'Say more about rain', options: { num_ctx: 1024, seed: 4 } },
    });
  });

  it('fails with the path of the field when the output is not what the step type takes', () => {
    const steps = { one: completed({ text: 'rain', seed: 'four' }) };
    expect(renderStep(template, 'two', { parameters, steps })).toMatchObject({
      failure: {
        code: 'STEP_INPUT_INVALID',
        details: {
          problems: [{ path: 'steps.two.with.options.seed', value: 'four', accepted: 'a whole number' }],
        },
      },
    });
  });

  it('makes the result', () => {
    const steps = { two: completed({ text: 'more' }), three: completed(3) };
    expect(renderResult(template, { parameters, steps })).toEqual({
      ok: true,
      result: { text: 'more', length: 4 },
    });
    expect(renderResult({ ...template, output: null }, { parameters, steps })).toEqual({
      ok: true,
      result: 3,
    });
    expect(renderResult(template, { parameters, steps: { two: completed({}) } })).toMatchObject({
      failure: { code: 'TEMPLATE_RENDER_FAILED', message: expect.stringMatching(/output\.text/) },
    });
  });
});

describe('planning', () => {
  const template = compiled(CHAIN);
  const plan = (parameters: Record<string, unknown>) => planSteps(template, parameters, { numCtx: 4096 });

  it('says what each step needs, with an explicit context window', () => {
    const options = {
      num_gpu: 20,
      main_gpu: 1,
      num_batch: 64,
      use_mmap: false,
      num_thread: 4,
      temperature: 0.1,
    };
    const planned = plan({ model: 'm:1', options });
    expect(planned.ok && planned.steps).toEqual([
      {
        id: 'one',
        stepType: 'ollama_generate',
        needs: [],
        requirement: {
          kind: 'model',
          profile: {
            model: 'm:1',
            options: { numCtx: 4096, numGpu: 20, mainGpu: 1, numBatch: 64, useMmap: false, numThread: 4 },
          },
        },
        retry: { attemptsMax: 3, backoffMs: 1000 },
      },
      {
        id: 'two',
        stepType: 'ollama_generate',
        needs: ['one'],
        requirement: { kind: 'model', profile: { model: 'm:1', options: { numCtx: 1024 } } },
        retry: {
          attemptsMax: 1,
          backoffMs: 0,
          on: [
            'MODEL_LOAD_FAILED',
            'MODEL_STREAM_BROKEN',
            'MODEL_ERROR',
            'MODEL_ANSWER_INVALID',
            'PULL_FAILED',
            'NO_PROGRESS',
            'STEP_TIMED_OUT',
            'HTTP_TIMED_OUT',
          ],
        },
      },
      {
        id: 'three',
        stepType: 'noop',
        needs: ['two'],
        requirement: { kind: 'cpu' },
        retry: { attemptsMax: 3, backoffMs: 1000 },
      },
    ]);
  });

  it.each([
    [
      'an option of the wrong type',
      { model: 'm', options: { num_ctx: 'big' } },
      'parameters.options.num_ctx',
      'big',
    ],
    ['a misspelt option', { model: 'm', options: { temprature: 1 } }, 'parameters.options.temprature', 1],
    ['an empty model name', { model: '', options: {} }, 'parameters.model', ''],
  ])('refuses %s by the name that the client knows', (_, parameters, path, value) => {
    expect(plan(parameters)).toMatchObject({
      ok: false,
      failure: { code: 'STEP_INPUT_INVALID', details: { problems: [{ path, value }] } },
    });
  });
});

describe('parameters', () => {
  const template = compiled(`
name: t
parameters:
  text: { type: string, required: true, min_length: 2, max_length: 5, pattern: '^[a-z]+$' }
  count: { type: integer, default: 3, minimum: 1, maximum: 9 }
  size: { type: number, enum: [0.5, 1] }
  tags: { type: array, items: { type: string }, max_length: 2 }
  deep: { type: object, properties: { on: { type: boolean, required: true } } }
  slow: { type: string, pattern: '(a+)+$' }
steps: [{ id: a, type: noop }]
`);
  const checked = (parameters: Record<string, unknown>) => validateParameters(template, parameters);

  it('get their defaults', () => {
    expect(checked({ text: 'ab' })).toEqual({ ok: true, parameters: { text: 'ab', count: 3 } });
    expect(checked({ text: 'ab', count: 9 })).toEqual({ ok: true, parameters: { text: 'ab', count: 9 } });
  });

  it.each([
    ['a missing one', {}, 'parameters.text', undefined, /^a string, from 2 to 5 characters/],
    ['a wrong type', { text: 5 }, 'parameters.text', 5, /^a string/],
    ['a number as text', { text: 'ab', count: '3' }, 'parameters.count', '3', /^a whole number from 1 to 9$/],
    ['a fraction', { text: 'ab', count: 1.5 }, 'parameters.count', 1.5, /^a whole number/],
    ['too short', { text: 'a' }, 'parameters.text', 'a', /from 2 to 5/],
    ['too long', { text: 'abcdef' }, 'parameters.text', 'abcdef', /from 2 to 5/],
    ['no match', { text: 'ABC' }, 'parameters.text', 'ABC', /matching/],
    ['not in enum', { text: 'ab', size: 2 }, 'parameters.size', 2, /^one of 0\.5, 1$/],
    ['a wrong item', { text: 'ab', tags: ['x', 1] }, 'parameters.tags[1]', 1, /^a string$/],
    [
      'too many items',
      { text: 'ab', tags: ['x', 'y', 'z'] },
      'parameters.tags',
      '["x","y","z"]',
      /of at most 2 items/,
    ],
    ['null', { text: null }, 'parameters.text', null, /^a string/],
    [
      'an unknown one',
      { text: 'ab', txet: 1 },
      'parameters.txet',
      1,
      /^only these fields: text, count, size/,
    ],
    ['a missing inner field', { text: 'ab', deep: {} }, 'parameters.deep.on', undefined, /^true or false$/],
    [
      'an unknown inner field',
      { text: 'ab', deep: { on: true, off: 1 } },
      'parameters.deep.off',
      1,
      /^only these fields: on$/,
    ],
  ])('are refused for %s', (_, parameters, path, value, accepted) => {
    expect(checked(parameters)).toMatchObject({
      ok: false,
      problems: [
        {
          path,
          ...(value === undefined ? {} : { value }),
          message: expect.any(String),
          accepted: expect.stringMatching(accepted),
        },
      ],
    });
  });

  it('are told everything at once', () => {
    const result = checked({ text: 1, count: 'x', more: 1 });
    expect(result.ok ? [] : result.problems.map(({ path }) => path).toSorted()).toEqual([
      'parameters.count',
      'parameters.more',
      'parameters.text',
    ]);
  });

  it('cannot hold the process up with a pattern that never ends', () => {
    expect(checked({ text: 'ab', slow: `${'a'.repeat(40)}!` })).toMatchObject({
      problems: [{ message: expect.stringMatching(/took longer than 100 ms/) }],
    });
  });

  it('are refused when they nest too deeply', () => {
    let deep: unknown = 1;
    for (let n = 0; n < 100_000; n += 1) deep = [deep];
    expect(checked({ text: deep })).toMatchObject({
      problems: [{ accepted: 'up to 16 levels of objects and lists' }],
    });
  });

  it('named like inherited properties are just unknown', () => {
    expect(checked({ text: 'ab', constructor: 1 })).toMatchObject({
      problems: [{ path: 'parameters.constructor' }],
    });
  });
});
