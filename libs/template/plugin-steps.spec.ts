import { describe, expect, it } from '@jest/globals';
import { compileTemplate, type Compiled } from './compile-template.js';
import { planSteps } from './plan-steps.js';

const compiled = (step: string): Compiled =>
  compileTemplate(`name: t\nsteps:\n  - { id: a, ${step} }\n`, 'templates/t.yaml');

const planned = (step: string): unknown => {
  const result = compiled(step);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  const plan = planSteps(result.template, {}, { numCtx: 4096 });
  return plan.ok ? plan.steps[0] : plan.failure;
};

const problemsOf = (step: string): readonly string[] => {
  const result = compiled(step);
  return result.ok ? [] : result.problems.map(({ message }) => message);
};

describe('a step type of somebody else', () => {
  it('needs no worker to stand in a template, and waits for one', () => {
    expect(planned('type: acme.a, with: { any: [1] }')).toMatchObject({
      stepType: 'acme.a',
      requirement: { kind: 'cpu' },
    });
    expect(planned('type: acme.a')).not.toHaveProperty('workerWaitMs');
  });

  it('fails without one where that is wanted, but not before it can be known', () => {
    expect(planned('type: acme.a, plugin_missing: fail')).toMatchObject({ workerWaitMs: 10_000 });
    expect(planned('type: acme.a, plugin_missing: 10m')).toMatchObject({ workerWaitMs: 600_000 });
  });

  it('holds a slot of a model where its template says so', () => {
    expect(planned('type: acme.a, slot: model, with: { model: "m:1", more: 1 }')).toMatchObject({
      requirement: { kind: 'model', profile: { model: 'm:1', options: { numCtx: 4096 } } },
    });
    expect(problemsOf('type: acme.a, slot: model')).toEqual([expect.stringContaining('is missing')]);
  });

  it.each([
    ['type: Acme.a', /is not a step type; accepted: .*an owner and a name with a dot between/],
    ['type: acme.a.b', /is not a step type/],
    ['type: noop, slot: model', /only a step type of others has 'slot'/],
    ['type: acme.a, slot: gpu', /expected cpu or model/],
    ['type: acme.a, plugin_missing: never', /expected a duration/],
    ['type: acme.a, plugin_missing: 5s', /'5s' is not accepted; expected a duration .* from 10s to /],
  ])('is refused for %s', (step, message) => {
    expect(problemsOf(step)).toEqual([expect.stringMatching(message)]);
  });
});
