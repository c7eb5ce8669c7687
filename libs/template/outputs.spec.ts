import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { renderResult } from './render.js';

const TEXT = `
name: score
parameters:
  text: { type: string, required: true }
steps:
  - id: judge
    type: noop
    with: { echo: '{{ parameters.text }}' }
outputs:
  score: { type: integer, required: true, minimum: 1, value: '{{ steps.judge.output.score }}' }
  why: { type: string, value: '{{ steps.judge.output.why }}' }
  said: { type: string, value: 'Of {{ parameters.text }}' }
`;

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 'score.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.template;
};

const result = (output: unknown): ReturnType<typeof renderResult> =>
  renderResult(compiled(TEXT), {
    parameters: { text: 'it' },
    steps: { judge: { status: 'completed', output, error: null } },
  });

describe('named outputs', () => {
  it('are the result of a task, each by its name', () => {
    expect(result({ score: 3, why: 'clear' })).toEqual({
      ok: true,
      result: { score: 3, why: 'clear', said: 'Of it' },
    });
  });

  it('may be null where they are not required', () => {
    expect(result({ score: 3, why: null })).toMatchObject({ ok: true, result: { why: null } });
  });

  it.each([
    [{ score: '3', why: 'x' }, "outputs.score: '3' is not accepted; expected a whole number of at least 1"],
    [{ score: 0, why: 'x' }, 'outputs.score: 0 is not accepted; expected a whole number of at least 1'],
    [{ score: null, why: 'x' }, 'outputs.score: null is not accepted; expected a whole number of at least 1'],
    [{ score: 1, why: ['x'] }, 'outputs.why: ["x"] is not accepted; expected a string'],
  ])('fail the task where they are not of their type: %j', (output, says) => {
    expect(result(output)).toMatchObject({
      ok: false,
      failure: { code: 'VALUE_REFUSED', message: expect.stringContaining(says) },
    });
  });

  it('fail the task where they read the items of a list that are too large to be kept', () => {
    const listing = compiled(`
name: list
steps:
  - { id: each, type: noop, foreach: [1, 2], with: { echo: '{{ item }}' } }
outputs:
  count: { type: integer, value: '{{ steps.each.output.completed }}' }
  all: { type: array, value: '{{ steps.each.output.items }}' }
`);
    const output = { total: 2, completed: 2, failed: 0, bytes: 300_000 };
    const steps = { each: { status: 'completed', output, error: null } } as const;
    expect(renderResult(listing, { parameters: {}, steps })).toMatchObject({
      ok: false,
      failure: { code: 'OUTPUT_TOO_LARGE', message: expect.stringContaining('outputs.all') },
    });
    const kept = { each: { ...steps.each, output: { ...output, items: [1, 2] } } };
    expect(renderResult(listing, { parameters: {}, steps: kept })).toEqual({
      ok: true,
      result: { count: 2, all: [1, 2] },
    });
  });

  it('leave the version of a template without them as it was', () => {
    const { outputs, version } = compiled('name: t\nsteps:\n  - { id: a, type: noop }\n');
    expect(outputs).toBeUndefined();
    // The version that logs have of this template.
    expect(version).toBe('6f22c56a0f375ed3');
  });
});

describe('a parameter that nothing reads', () => {
  const warnings = (text: string): readonly string[] => {
    const found = compileTemplate(text, 't.yaml');
    return found.ok ? found.warnings.map(({ line, column, message }) => `${line}:${column} ${message}`) : [];
  };
  const steps = (echo: string): string =>
    `steps:\n  - { id: a, type: noop, with: { echo: ${echo} } }\nname: t\nparameters:\n  x: { type: any }\n  y: { type: any }\n`;

  it('is warned of at its name, and the template is right all the same', () => {
    expect(warnings(steps("'{{ parameters.y }}'"))).toEqual([
      '5:3 parameters.x: nothing reads it; accepted: {{ parameters.x }} in a step or in output, or no such declaration',
    ]);
  });

  it.each([
    "'{{ parameters }}'",
    "'{{ parameters[parameters.y] }}'",
    "'{{ parameters.x }}{{ parameters.y.z }}'",
  ])('is none where something may read it: %s', (echo) => expect(warnings(steps(echo))).toEqual([]));
});
