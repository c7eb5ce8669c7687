import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { listItems } from './foreach.js';
import { planSteps } from './plan-steps.js';
import { renderStep } from './render.js';

const text = (step: string, more = ''): string => `
name: each
parameters: { list: { type: any }, model: { type: string, default: m } }
steps:
  - { id: first, type: noop }
  - { id: x, ${step} }
${more}`;
const compiled = (step: string): CompiledTemplate => {
  const result = compileTemplate(text(step), 'each.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.template;
};
const problems = (step: string): readonly string[] => {
  const result = compileTemplate(text(step), 'each.yaml');
  return result.ok ? [] : result.problems.map(({ message }) => message);
};
const EACH = "type: noop, foreach: '{{ parameters.list }}', with: { echo: '{{ index }} {{ item }}' }";
const defaults = { numCtx: 4096 };

describe('a template with foreach', () => {
  it('is planned as one step that has items, eight at once unless it says otherwise', () => {
    const planned = planSteps(compiled(EACH), { list: [1] }, defaults);
    expect(planned).toMatchObject({ ok: true, steps: [{}, { id: 'x', forEach: { concurrency: 8 } }] });
    const more = planSteps(compiled(`${EACH}, concurrency: 3`), { list: [] }, defaults);
    expect(more).toMatchObject({ steps: [{}, { forEach: { concurrency: 3 } }] });
  });

  it('is refused at the submission for parameters that are no list, or too long a one', () => {
    for (const [list, says] of [
      ['abc', /steps\.x\.foreach: gives 'abc'; expected a list/],
      [Array(10_001).fill(0), /gives 10001 items; up to 10000 are accepted/],
    ] as const)
      expect(planSteps(compiled(EACH), { list }, defaults)).toMatchObject({
        ok: false,
        failure: { code: 'STEP_INPUT_INVALID', message: expect.stringMatching(says) },
      });
  });

  it.each([
    ["type: noop, foreach: 'abc'", /expected a list, or one expression/],
    ["type: noop, foreach: 'a {{ parameters.list }}'", /gives text; expected one {{ expression }}/],
    ["type: noop, foreach: '{{ item }}'", /item: there is no such name/],
    ['type: noop, concurrency: 2', /and there is no foreach/],
    [`${EACH}, concurrency: 101`, /101/],
    ["type: noop, with: { echo: '{{ item }}' }", /item and index under `with` of a step with foreach/],
    [`${EACH}, when: '{{ item }}'`, /item: there is no such name/],
    [
      "type: ollama_generate, foreach: [a], with: { model: '{{ item }}', prompt: hi }",
      /item: the model and its runner options decide where the step runs/,
    ],
  ])('is refused for %s', (step, says) => {
    expect(problems(step)).toContainEqual(expect.stringMatching(says));
  });
});

describe('an item', () => {
  it('is filled in with its value and its place', () => {
    const template = compiled(EACH);
    const context = { parameters: { list: ['a', 'b'] }, steps: {} };
    expect(listItems(template, 'x', context)).toEqual({ ok: true, items: ['a', 'b'] });
    const rendered = renderStep(template, 'x[1]', { ...context, item: 'b', index: 1 });
    expect(rendered).toEqual({ ok: true, input: { echo: '1 b' }, uses: [] });
  });

  it('may come from a list that the template has, with expressions in it', () => {
    const template = compiled("type: noop, foreach: ['{{ parameters.model }}', 2]");
    expect(listItems(template, 'x', { parameters: { model: 'm' }, steps: {} })).toEqual({
      ok: true,
      items: ['m', 2],
    });
  });
});
