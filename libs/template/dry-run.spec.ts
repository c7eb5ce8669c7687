import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { dryRun, type DryRun, type DryStep } from './dry-run.js';

const TEXT = `
name: review
parameters:
  model: { type: string, required: true }
  text: { type: string, required: true }
  strict: { type: boolean, default: false }
  num_ctx: { type: integer }
steps:
  - id: judge
    type: ollama_generate
    timeout: 10m
    with:
      model: '{{ parameters.model }}'
      prompt: 'Is this clear? {{ parameters.text | upcase }}'
      options: { num_ctx: '{{ parameters.num_ctx }}', num_predict: 5 }
  - id: count
    type: noop
    needs: []
    with: { echo: 1 }
  - id: rewrite
    type: ollama_generate
    needs: [judge]
    when: '{{ steps.judge.output.text }}'
    on_failure: continue
    with:
      model: '{{ parameters.model }}'
      prompt: '{{ parameters.text }}: {{ steps.judge.output.text }}{% if parameters.strict %}!{% endif %}'
  - id: last
    type: noop
    needs: [rewrite, count]
    when: '{{ parameters.strict }}'
    with: { echo: ['{{ steps.count.output }}', '{{ parameters.strict }}'] }
outputs:
  said: { type: string, value: '{{ steps.rewrite.output.text }}' }
  of: { type: string, value: '{{ parameters.text }}' }
`;

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 'review.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.template;
};

const GIVEN = { model: 'llama3.2:3b', text: 'Rivers' };

const run = (parameters: Readonly<Record<string, unknown>> = GIVEN): DryRun => {
  const outcome = dryRun(compiled(TEXT), parameters, { numCtx: 4096 });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome));
  return outcome.run;
};

const step = (id: string, parameters?: Readonly<Record<string, unknown>>): DryStep | undefined =>
  run(parameters).steps.find((found) => found.id === id);

describe('a dry run', () => {
  it('has the parameters with their defaults, and the stages of the graph', () => {
    const { parameters, steps } = run();
    expect(parameters).toEqual({ ...GIVEN, strict: false });
    expect(steps.map(({ id, stage }) => [id, stage])).toEqual([
      ['judge', 1],
      ['count', 1],
      ['rewrite', 2],
      ['last', 3],
    ]);
  });

  it('fills in what follows from the parameters', () => {
    expect(step('judge')).toEqual({
      id: 'judge',
      type: 'ollama_generate',
      needs: [],
      retry: { attempts_max: 3, backoff_ms: 1000 },
      timeout: '10m',
      stage: 1,
      finally: false,
      slot: { kind: 'model', model: 'llama3.2:3b', options: { num_ctx: 4096 } },
      input: {
        model: 'llama3.2:3b',
        prompt: 'Is this clear? RIVERS',
        options: { num_predict: 5 },
      },
    });
    expect(step('judge', { ...GIVEN, num_ctx: 8192 })?.slot).toMatchObject({ options: { num_ctx: 8192 } });
    expect(step('count')).toMatchObject({ slot: { kind: 'cpu' }, input: { echo: 1 } });
  });

  it('leaves what waits for other steps as it was written, within a text too', () => {
    expect(step('rewrite', { ...GIVEN, strict: true })).toMatchObject({
      on_failure: 'continue',
      input: { model: 'llama3.2:3b', prompt: 'Rivers: {{ steps.judge.output.text }}!' },
    });
    expect(step('last')?.input).toEqual({ echo: ['{{ steps.count.output }}', false] });
    expect(run().result).toEqual({ said: '{{ steps.rewrite.output.text }}', of: 'Rivers' });
  });

  it('decides conditions that depend on parameters only', () => {
    expect(step('last')?.when).toEqual({ expression: '{{ parameters.strict }}', holds: false });
    expect(step('last', { ...GIVEN, strict: true })?.when?.holds).toBe(true);
    expect(step('rewrite')?.when?.holds).toBeNull();
    expect(step('count')).not.toHaveProperty('when');
  });

  it('cuts no text whose parts depend on each other', () => {
    const text =
      "name: t\nparameters: { p: { type: any } }\nsteps:\n  - { id: a, type: noop }\n  - id: b\n    type: noop\n    with: { echo: '{% assign x = parameters.p %}{{ x }}{{ steps.a.output }}' }\n";
    const outcome = dryRun(compiled(text), { p: 1 }, { numCtx: 4096 });
    expect(outcome.ok && outcome.run.steps[1]?.input).toEqual({
      echo: '{% assign x = parameters.p %}{{ x }}{{ steps.a.output }}',
    });
  });

  it.each([
    [{ model: 'm' }, 'PARAMETERS_INVALID', /parameters\.text: is missing/],
    [{ ...GIVEN, model: 'a b' }, 'STEP_INPUT_INVALID', /parameters\.model/],
    [{ ...GIVEN, more: 1 }, 'PARAMETERS_INVALID', /no field 'more'/],
  ])('refuses what a submission would be refused for: %j', (parameters, code, says) => {
    expect(dryRun(compiled(TEXT), parameters, { numCtx: 4096 })).toMatchObject({
      ok: false,
      failure: { code, message: expect.stringMatching(says) },
    });
  });

  it('shows lists with their length where that is known, and steps that wait without a slot', () => {
    const text = `
name: ask
parameters: { urls: { type: array, required: true } }
steps:
  - { id: pages, type: noop, foreach: '{{ parameters.urls }}', concurrency: 2, with: { echo: '{{ item }} of {{ parameters.urls | size }}' } }
  - { id: again, type: noop, foreach: '{{ steps.pages.output.items }}', with: { echo: '{{ index }}' } }
  - { id: ask, type: approval, with: { message: 'Is {{ parameters.urls | size }} right?' } }
`;
    const outcome = dryRun(compiled(text), { urls: ['a', 'b', 'c'] }, { numCtx: 4096 });
    const steps = outcome.ok ? outcome.run.steps : [];
    expect(steps.map(({ id, slot, foreach, input }) => [id, slot, foreach, input])).toEqual([
      ['pages', { kind: 'cpu' }, { items: 3, concurrency: 2 }, { echo: '{{ item }} of 3' }],
      ['again', { kind: 'cpu' }, { items: null, concurrency: 8 }, { echo: '{{ index }}' }],
      ['ask', null, undefined, { message: 'Is 3 right?' }],
    ]);
  });
});

describe('a dry run of a template whose steps submit tasks', () => {
  const outer = compiled(`
name: outer
parameters: { text: { type: string } }
steps:
  - id: known
    type: task
    with: { template: inner@2, parameters: { text: '{{ parameters.text }}' } }
  - id: late
    type: task
    with: { template: inner, parameters: { text: '{{ steps.known.output.output }}' } }
`);
  const inner = compiled(
    "name: inner\nparameters: { text: { type: string, required: true } }\nsteps: [{ id: say, type: noop, with: { echo: '{{ parameters.text }}!' } }]",
  );
  const childOf = () => inner;
  const shown = (given: object, more: object) => {
    const outcome = dryRun(outer, { ...given }, { numCtx: 4096, ...more });
    return outcome.ok ? outcome.run.steps.map(({ child }) => child) : outcome.failure.message;
  };

  it('shows their graphs, as far as their parameters are known', () => {
    const { version } = inner;
    expect(shown({ text: 'hi' }, { childOf })).toMatchObject([
      { template: 'inner', version, run: { steps: [{ id: 'say', input: { echo: 'hi!' } }] } },
      { template: 'inner', version, steps: ['say'], run: null },
    ]);
    expect(shown({ text: 'hi' }, {})).toMatchObject([
      { template: 'inner', version: null, steps: [], run: null },
      { version: null },
    ]);
  });

  it('is refused where a child would be, and says which', () => {
    expect(shown({}, { childOf })).toMatch(/^steps.known \(template 'inner'\): parameters.text/);
  });
});
