import { describe, expect, it } from '@jest/globals';
import type { StepOutcomes } from '#libs/domain/task/step-outcomes.js';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { checkEarly } from './late-parameters.js';
import { planSteps } from './plan-steps.js';
import { decideCondition, renderResult, renderStep } from './render.js';

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 'test.yaml');
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.template;
};

const completed = (output: unknown) => ({ status: 'completed', output, error: null }) as const;
const SKIPPED = { status: 'skipped', output: null, error: null } as const;
const FAILED = {
  status: 'failed',
  output: null,
  error: { code: 'MODEL_ERROR', message: 'the server said 500' },
} as const;

/** Step `b` behind `a`, with this condition. */
const withCondition = (when: string): CompiledTemplate =>
  compiled(
    `name: t\nparameters: { p: { type: any } }\nsteps:\n  - { id: a, type: noop }\n  - id: b\n    type: noop\n    when: ${JSON.stringify(when)}\n`,
  );
const decided = (when: string, a: StepOutcomes[string], p?: unknown) =>
  decideCondition(withCondition(when), 'b', { parameters: p === undefined ? {} : { p }, steps: { a } });

describe('a condition', () => {
  it.each<readonly [when: string, a: StepOutcomes[string], holds: boolean]>([
    ['{{ steps.a.output.score > 3 }}', completed({ score: 4 }), true],
    ['{{ steps.a.output.score > 3 }}', completed({ score: 3 }), false],
    ["{{ steps.a.status == 'completed' }}", completed(1), true],
    ["{{ steps.a.status == 'skipped' }}", SKIPPED, true],
    ["{{ steps.a.status == 'failed' }}", SKIPPED, false],
    ["{{ steps.a.status == 'failed' and steps.a.error.code == 'MODEL_ERROR' }}", FAILED, true],
    ["{{ steps.a.error.message contains '500' }}", FAILED, true],
    ["{{ steps.a.output.tags contains 'urgent' }}", completed({ tags: ['urgent'] }), true],
    ['{{ steps.a.output.text.size > 3 or steps.a.output.force }}', completed({ text: 'abc' }), false],
    ['{{ steps.a.output | size | at_least: 3 | minus: 2 }}', completed('abc'), true],
    ['{{ not steps.a.error }}', completed(1), true],
    ['{{ not steps.a.error }}', FAILED, false],
  ])('%s is decided by how the step ended', (when, a, holds) =>
    expect(decided(when, a)).toEqual({ ok: true, holds }),
  );

  it.each<readonly [what: string, value: unknown, holds: boolean]>([
    ['null', null, false],
    ['a parameter that was not given', undefined, false],
    ['false', false, false],
    ['true', true, true],
    ['0', 0, true],
    ['an empty text', '', true],
    ['the text false', 'false', true],
    ['an empty list', [], true],
    ['an object', {}, true],
  ])('takes %s as Liquid does', (_, value, holds) =>
    expect(decided('{{ parameters.p }}', completed(1), value)).toEqual({ ok: true, holds }),
  );

  it('takes what is not there for null, so that it can ask about a step that gave nothing', () => {
    for (const a of [SKIPPED, FAILED, completed({}), completed('text')])
      for (const when of [
        '{{ steps.a.output.score }}',
        '{{ steps.a.output.score > 3 }}',
        '{{ steps.a.output.x.y }}',
      ])
        expect([when, decided(when, a)]).toEqual([when, { ok: true, holds: false }]);
  });

  it('that goes beyond a limit says so, and where it stands', () =>
    expect(
      decided(
        "{{ parameters.p | split: '' | join: '----------' | size }}",
        completed(1),
        'x'.repeat(9_000_000),
      ),
    ).toEqual({
      ok: false,
      failure: {
        code: 'TEMPLATE_RENDER_FAILED',
        message: expect.stringMatching(
          /^template 't', steps\.b\.when: .*limit exceeded.* in '\{\{ parameters\.p/,
        ),
      },
    }));

  it('of a step that has none is true', () =>
    expect(decideCondition(withCondition('{{ false }}'), 'a', { parameters: {}, steps: {} })).toEqual({
      ok: true,
      holds: true,
    }));
});

describe('the plan of a template with limits in time', () => {
  it('has them in milliseconds, and nothing of those that are not there', () => {
    const template = compiled(
      'name: t\nsteps:\n  - { id: a, type: noop, timeout: 10m, no_progress: 1.5m }\n  - { id: b, type: noop, timeout: 500ms }\n  - { id: c, type: noop }\n',
    );
    const planned = planSteps(template, {}, { numCtx: 4096 });
    expect(planned).toMatchObject({
      steps: [{ timeoutMs: 600_000, noProgressMs: 90_000 }, { timeoutMs: 500 }, {}],
    });
    const keys = planned.ok ? planned.steps.map((step) => Object.keys(step).slice(5)) : [];
    expect(keys).toEqual([['timeoutMs', 'noProgressMs'], ['timeoutMs'], []]);
  });
});

describe('the plan of a template with conditions', () => {
  it('says which steps are decided about, and without which the task goes on', () => {
    const template = compiled(
      "name: t\nparameters: { p: { type: any } }\nsteps:\n  - { id: a, type: noop, on_failure: continue }\n  - { id: b, type: noop, when: '{{ parameters.p }}' }\n  - { id: c, type: noop, on_failure: fail }\n",
    );
    const planned = planSteps(template, {}, { numCtx: 4096 });
    expect(planned.ok && planned.steps.map(({ conditional, onFailure }) => [conditional, onFailure])).toEqual(
      [
        [undefined, 'continue'],
        [true, undefined],
        [undefined, undefined],
      ],
    );
  });

  it('lets a condition read a parameter that waits for other tasks', () => {
    const early = checkEarly(
      withCondition('{{ parameters.p }}'),
      { p: '{{ tasks.draft.result }}' },
      new Set(['draft']),
    );
    expect(early).toMatchObject({ ok: true, uses: ['draft'] });
  });
});

describe('what a step that gave nothing leaves to others', () => {
  const READS = (echo: string) =>
    compiled(
      `name: t\nsteps:\n  - { id: a, type: noop }\n  - id: b\n    type: noop\n    with: { echo: ${JSON.stringify(echo)} }\n`,
    );
  const filled = (echo: string, a: StepOutcomes[string]) =>
    renderStep(READS(echo), 'b', { parameters: {}, steps: { a } });

  it('is null, its status and its error', () => {
    expect(filled('{{ steps.a.status }}: {{ steps.a.error.message }}', FAILED)).toEqual({
      ok: true,
      uses: [],
      input: { echo: 'failed: the server said 500' },
    });
    expect(filled('<{{ steps.a.output }}{{ steps.a.error }}>', SKIPPED)).toEqual({
      ok: true,
      uses: [],
      input: { echo: '<>' },
    });
  });

  it('and so is everything below it, unless a default steps in', () => {
    expect(filled('{{ steps.a.output.text }}', SKIPPED)).toEqual({ ok: true, uses: [], input: {} });
    expect(filled('<{{ steps.a.output.text }}>', SKIPPED)).toEqual({
      ok: true,
      uses: [],
      input: { echo: '<>' },
    });
    expect(filled("{{ steps.a.output.text | default: 'none' }}", SKIPPED)).toEqual({
      ok: true,
      uses: [],
      input: { echo: 'none' },
    });
  });

  it('is passed over by the result of a template that names none: it is that of the last step that completed', () => {
    const template = withCondition('{{ true }}');
    const result = (steps: StepOutcomes) => renderResult(template, { parameters: {}, steps });
    expect(result({ a: completed('A'), b: completed('B') })).toEqual({ ok: true, result: 'B' });
    expect(result({ a: completed('A'), b: SKIPPED })).toEqual({ ok: true, result: 'A' });
    expect(result({ a: FAILED, b: SKIPPED })).toEqual({ ok: true, result: null });
  });
});
