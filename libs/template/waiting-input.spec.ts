import { describe, expect, it } from '@jest/globals';
import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import { later, NOW_MS } from '#libs/testing/builders.js';
import { compileTemplate } from './compile-template.js';
import { planSteps } from './plan-steps.js';
import { waitingOf } from './waiting-input.js';

const waiting = (kind: Exclude<WaitingKind, 'task'>, input: Readonly<Record<string, unknown>>) => {
  const made = waitingOf(kind, 'a', input, NOW_MS);
  return made.ok ? made.waiting : made.failure.message;
};

describe('what a step waits for', () => {
  it('is a time from now on, or a moment in any zone', () => {
    expect(waiting('delay', { for: '10m' })).toEqual({ kind: 'delay', until: later(600_000) });
    expect(waiting('delay', { until: '2026-01-01T14:00:00.5+01:00' })).toEqual({
      kind: 'delay',
      until: '2026-01-01T13:00:00.500Z',
    });
  });

  it.each([
    [{}, 'exactly one of for and until'],
    [{ for: '1s', until: '2026-01-01T14:00:00Z' }, 'exactly one of for and until'],
    [{ until: 'tomorrow' }, 'a moment such as'],
    [{ until: '2026-13-01T14:00:00Z' }, 'a moment such as'],
    [{ until: '2028-01-01T14:00:00Z' }, 'more than 366d ahead'],
    [{ for: '1ms' }, 'from 100ms to 366d'],
    [{ for: '367d' }, 'from 100ms to 366d'],
  ])('is refused: %j', (input, says) => expect(waiting('delay', input)).toContain(says));

  it('is an approval with its times counted from now on', () => {
    const input = {
      message: 'ok?',
      assignees: ['ada'],
      text: 'draft',
      edit: true,
      choices: ['later'],
      timeout: '1h',
      on_timeout: 'later',
      remind_every: '10m',
      escalate_after: '30m',
      escalate_to: ['grace'],
      on_reject: 'continue',
    };
    expect(waiting('approval', input)).toEqual({
      kind: 'approval',
      message: 'ok?',
      assignees: ['ada'],
      timeout: { at: later(3_600_000), outcome: 'later' },
      remindEveryMs: 600_000,
      escalation: { at: later(1_800_000), to: ['grace'] },
      text: 'draft',
      edit: true,
      choices: ['approve', 'reject', 'later'],
      onReject: 'continue',
    });
    expect(waiting('approval', { message: 'ok?', timeout: '1h' })).toMatchObject({
      timeout: { outcome: 'fail' },
    });
  });

  it.each([
    [{ on_timeout: 'reject' }, 'on_timeout: means nothing without timeout'],
    [{ timeout: '1h', on_timeout: 'perhaps' }, 'expected fail, approve, reject'],
    [{ escalate_after: '1m' }, 'escalate_after: means nothing without escalate_to'],
    [{ escalate_to: ['x'] }, 'escalate_to: means nothing without escalate_after'],
    [{ timeout: '1m', escalate_after: '1m', escalate_to: ['x'] }, 'is not before timeout'],
    [{ remind_every: '10ms' }, 'from 1s to 366d'],
    [{ edit: true }, 'edit: means nothing without text'],
    [{ choices: ['approve'] }, 'is there already'],
    [{ choices: ['a', 'a'] }, 'is there already'],
  ])('is no approval: %j', (input, says) =>
    expect(waiting('approval', { message: 'ok?', ...input })).toContain(says),
  );

  it('is a form, whose default has to fit it', () => {
    const schema = { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] };
    const input = { message: 'how many?', schema, timeout: '1h', on_timeout: 'default' };
    expect(waiting('human_input', { ...input, default: { count: 1 }, initial: { count: 2 } })).toMatchObject({
      schema,
      initial: { count: 2 },
      fallback: { count: 1 },
      timeout: { outcome: 'default' },
    });
    expect(waiting('human_input', input)).toContain('there is no default');
    expect(waiting('human_input', { ...input, default: { count: 'x' } })).toContain('default.count');
  });
});

describe('a template with steps that wait', () => {
  const problems = (step: string) => {
    const compiled = compileTemplate(`name: t\nsteps:\n  - ${step}\n`, 't.yaml');
    return compiled.ok ? [] : compiled.problems.map(({ path, message }) => `${path}: ${message}`);
  };

  it('plans them without a requirement that matters', () => {
    const compiled = compileTemplate('name: t\nsteps: [{ id: a, type: delay, with: { for: 1s } }]', 't.yaml');
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
    const planned = planSteps(compiled.template, {}, { numCtx: 1 });
    expect(planned).toMatchObject({ ok: true, steps: [{ id: 'a', stepType: 'delay', waits: 'delay' }] });
  });

  it.each([
    ['{ id: a, type: delay, with: {} }', 'steps[0].with.until: is missing, and so is for'],
    ['{ id: a, type: delay, with: { for: soon } }', 'steps[0].with.for: '],
    [
      '{ id: a, type: delay, timeout: 1m, with: { for: 1s } }',
      "a step of type 'delay' waits and makes no attempts",
    ],
    ['{ id: a, type: delay, retry: { attempts_max: 2 }, with: { for: 1s } }', 'steps[0].retry: '],
    ['{ id: a, type: approval, with: {} }', 'steps[0].with.message: is missing'],
    [
      '{ id: a, type: approval, with: { message: x, on_timeout: fail } }',
      'steps[0].with.on_timeout: means nothing',
    ],
    [
      '{ id: a, type: human_input, with: { message: x, schema: { type: 5 } } }',
      'steps[0].with.schema: this is not a JSON Schema',
    ],
    [
      "{ id: a, type: human_input, with: { message: x, schema: { title: '{{ parameters }}' } } }",
      'steps[0].with.schema.title: an expression is not accepted here',
    ],
  ])('is refused where it is wrong: %s', (step, says) => expect(problems(step).join('\n')).toContain(says));

  it('may fill in times and texts when their turn comes', () =>
    expect(
      problems(
        "{ id: a, type: approval, with: { message: 'Is {{ parameters.x }} right?', timeout: '{{ parameters.x }}', on_timeout: '{{ parameters.x }}' } }",
      ).filter((problem) => !problem.includes('no such parameter')),
    ).toEqual([]));
});
