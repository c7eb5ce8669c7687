import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { checkEarly, fillParameters } from './late-parameters.js';
import { planSteps } from './plan-steps.js';

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 'test.yaml');
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.template;
};

const INFERENCE = compiled(`
name: inference
parameters:
  model: { type: string, required: true }
  prompt: { type: string, required: true, min_length: 1, max_length: 20 }
  count: { type: integer, default: 3, minimum: 1 }
  tags: { type: array, items: { type: string } }
  options: { type: object, default: {} }
  num_ctx: { type: integer }
steps:
  - id: generate
    type: ollama_generate
    with:
      model: '{{ parameters.model }}'
      prompt: '{{ parameters.prompt }} {{ parameters.count }}'
      options: { num_ctx: '{{ parameters.num_ctx }}', temperature: '{{ parameters.count }}' }
  - id: again
    type: ollama_generate
    with: { model: fixed, prompt: '{{ steps.generate.output.text }}', options: '{{ parameters.options }}' }
`);

const READABLE = new Set(['draft', 'facts', 'first-part']);
const early = (parameters: Record<string, unknown>) =>
  checkEarly(INFERENCE, { model: 'm', prompt: 'p', ...parameters }, READABLE);
const problemsOf = (parameters: Record<string, unknown>) => {
  const checked = early(parameters);
  return checked.ok ? [] : checked.problems.map(({ path, message }) => `${path}: ${message}`);
};

describe('parameters before other tasks have ended', () => {
  it('are those that are known with their defaults, and the names of what the others read', () =>
    expect(
      early({ prompt: '{{ tasks.draft.result.text }}', tags: ['x', '{{ tasks.facts.status }}'] }),
    ).toEqual({
      ok: true,
      parameters: {
        model: 'm',
        prompt: '{{ tasks.draft.result.text }}',
        tags: ['x', '{{ tasks.facts.status }}'],
        count: 3,
        options: {},
      },
      late: new Set(['prompt', 'tags']),
      uses: ['draft', 'facts'],
    }));

  it('plan the steps: what is known is checked, and decides where they run', () => {
    const parameters = { prompt: '{{ tasks.draft.result.text }}', num_ctx: 512 };
    const checked = early(parameters);
    if (!checked.ok) throw new Error('not accepted');
    const planned = planSteps(INFERENCE, checked.parameters, { numCtx: 4096 }, checked.late);
    expect(planned).toMatchObject({
      ok: true,
      steps: [
        { id: 'generate', requirement: { kind: 'model', profile: { model: 'm', options: { numCtx: 512 } } } },
        { id: 'again', requirement: { profile: { model: 'fixed', options: { numCtx: 4096 } } } },
      ],
    });
    const wrong = early({ ...parameters, num_ctx: -5 });
    if (!wrong.ok) throw new Error('not accepted');
    expect(planSteps(INFERENCE, wrong.parameters, { numCtx: 4096 }, wrong.late)).toMatchObject({
      ok: false,
      failure: { code: 'STEP_INPUT_INVALID', message: expect.stringMatching(/num_ctx.*-5/) },
    });
  });

  it.each([
    [
      'the model',
      { model: '{{ tasks.draft.result.model }}' },
      /^parameters\.model: it decides where step 'generate' runs \(model\), so it cannot wait/,
    ],
    ['a runner option', { num_ctx: '{{ tasks.draft.result }}' }, /^parameters\.num_ctx: .*options\.num_ctx/],
    ['all options', { options: { top_k: '{{ tasks.draft.result }}' } }, /^parameters\.options: .*'again'/],
    [
      'a task that it does not need',
      { prompt: '{{ tasks.other.result }}' },
      /tasks\.other\.result: .*accepted: draft, facts, first-part/,
    ],
    ['all tasks', { prompt: '{{ tasks }}' }, /tasks: this task does not wait for such/],
    [
      'a computed name',
      { prompt: '{{ tasks[tasks.draft.result].result }}' },
      /accepted: draft, facts, first-part/,
    ],
    [
      'a field that tasks do not have',
      { prompt: '{{ tasks.draft.output }}' },
      /accepted: tasks\.draft\.result, tasks\.draft\.status/,
    ],
    [
      'another name',
      { prompt: '{{ parameters.model }}' },
      /there is no such name here; accepted: tasks\.<name>/,
    ],
    [
      'what is no expression',
      { prompt: '{{ tasks.draft.result | nothing }}' },
      /^parameters\.prompt: is not an expression/,
    ],
    [
      'text where a number belongs',
      { count: 'about {{ tasks.draft.result }}' },
      /^parameters\.count: this gives text; expected a whole number/,
    ],
    [
      'a literal that does not fit',
      { prompt: '{{ tasks.draft.result }}', count: 0 },
      /^parameters\.count: 0 is not accepted/,
    ],
    [
      'a parameter that there is not',
      { prmpt: '{{ tasks.draft.result }}' },
      /^parameters\.prmpt: there is no field/,
    ],
  ])('are refused for %s', (_, parameters, says) =>
    expect(problemsOf(parameters)).toContainEqual(expect.stringMatching(says)),
  );

  it('are not refused for what only looks wrong until it is filled in', () =>
    expect(
      problemsOf({
        prompt: `{{ tasks.draft.result.text | truncate: ${'1'.repeat(20)} }}`,
        tags: '{{ tasks.draft.result }}',
      }),
    ).toEqual([]));
});

describe('parameters when the others have ended', () => {
  const tasks = {
    draft: { status: 'completed', result: { text: 'hello', n: 2, tags: ['a'] } },
    facts: { status: 'failed', result: null },
    'first-part': { status: 'completed', result: 'one' },
  };
  const filled = (parameters: Record<string, unknown>) =>
    fillParameters(INFERENCE, { model: 'm', prompt: 'p', ...parameters }, tasks);

  it('are filled in, with their types, and checked', () =>
    expect(
      filled({
        prompt: '{{ tasks.draft.result.text }}!',
        count: '{{ tasks.draft.result.n }}',
        tags: '{{ tasks.draft.result.tags }}',
      }),
    ).toEqual({
      ok: true,
      parameters: { model: 'm', prompt: 'hello!', count: 2, tags: ['a'], options: {} },
    }));

  it('may read tasks whose names have a hyphen', () => {
    expect(early({ prompt: '{{ tasks.first-part.result }}' })).toMatchObject({ uses: ['first-part'] });
    expect(filled({ prompt: '{{ tasks.first-part.result }}' })).toMatchObject({
      parameters: { prompt: 'one' },
    });
    expect(filled({ prompt: '{{ tasks.first-part.result }}, two' })).toMatchObject({
      parameters: { prompt: 'one, two' },
    });
  });

  it('see null where a task did not complete, however deep they look', () => {
    expect(
      filled({
        prompt: '{{ tasks.facts.result.text | default: "none" }}',
        tags: '{{ tasks.facts.result.a.b }}',
      }),
    ).toEqual({
      ok: true,
      parameters: { model: 'm', prompt: 'none', count: 3, options: {} },
    });
    expect(filled({ prompt: '{{ tasks.facts.status }}' })).toMatchObject({
      parameters: { prompt: 'failed' },
    });
  });

  it.each([
    [
      'a value of another type',
      { count: '{{ tasks.draft.result.text }}' },
      'PARAMETERS_INVALID',
      /parameters\.count: 'hello'/,
    ],
    [
      'a required one that is null',
      { prompt: '{{ tasks.facts.result }}' },
      'PARAMETERS_INVALID',
      /parameters\.prompt: is missing/,
    ],
    [
      'a name that the result does not have',
      { prompt: '{{ tasks.draft.result.other }}' },
      'TEMPLATE_RENDER_FAILED',
      /parameters\.prompt: undefined variable/,
    ],
    [
      'too much',
      { tags: '{% for i in (1..2000000) %}xxxxxx{% endfor %}' },
      'TEMPLATE_RENDER_FAILED',
      /limit exceeded/,
    ],
  ] as const)('fail for %s', (_, parameters, code, says) =>
    expect(filled(parameters)).toMatchObject({
      ok: false,
      failure: { code, message: expect.stringMatching(says) },
    }),
  );

  it('stay the same object where nothing is to be filled in', () => {
    const parameters = { model: 'm', prompt: 'p' };
    const result = fillParameters(INFERENCE, parameters, tasks);
    expect(result.ok && result.parameters).toBe(parameters);
  });
});
