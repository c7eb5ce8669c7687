import { describe, expect, it } from '@jest/globals';
import type { Costs } from '#libs/domain/policy/costs.js';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { dispatched, later, needsModel, NOW_MS, stepSpec, submitted } from '#libs/testing/builders.js';
import { bookOf } from '#libs/testing/spec.js';
import { urgencyOf } from './urgency.js';

/** A model takes 10 s and 5 s to swap in; what needs a CPU takes 1 s. */
const COSTS: Costs = {
  meanMs: ({ kind }) => (kind === 'model' ? 10_000 : 1_000),
  longestMs: () => 0,
  workMs: () => 0,
  swapMs: ({ kind }) => (kind === 'model' ? 5_000 : 0),
};
const POLICY = { ...DEFAULT_POLICY, deadlineLeadMs: 30_000 };

const steps = [
  stepSpec('a', { requirement: needsModel('llama3') }),
  stepSpec('b', { needs: ['a'] }),
  stepSpec('c', { needs: ['b'], requirement: needsModel('qwen') }),
];

const at = (
  atMs: number,
  facts: readonly TaskRecord['event'][] = [submitted({ steps, deadlineAt: later(100_000) })],
  more: readonly number[] = [],
) => {
  const task = bookOf(facts).open.get('t1');
  if (task === undefined) throw new Error('t1 is open');
  const dueMs = task.deadlineAt === null ? [] : [NOW_MS + 100_000, ...more];
  const { urgentByMs, againAtMs } = urgencyOf(task, dueMs, {
    nowMs: NOW_MS + atMs,
    costs: COSTS,
    policy: POLICY,
  });
  return { by: urgentByMs === null ? null : urgentByMs - NOW_MS, again: againAtMs - NOW_MS };
};

describe('a deadline', () => {
  // 21 s of work: it has to begin at 79 s, and may have to wait for as long again, one swap and the lead.
  const from = 100_000 - 21_000 - 21_000 - 5_000 - 30_000;

  it('makes urgent when little more than the time of what is left remains', () => {
    expect(at(from - 1)).toEqual({ by: null, again: from });
    expect(at(from)).toEqual({ by: 100_000, again: 79_001 });
  });

  it('that cannot be kept any more makes nobody else late', () => {
    expect(at(79_000)).toEqual({ by: 100_000, again: 79_001 });
    expect(at(79_001)).toEqual({ by: null, again: Infinity });
  });

  it('leaves more time when part of the work is under way', () => {
    const begun = [submitted({ steps, deadlineAt: later(100_000) }), dispatched('a')];
    expect(at(89_000, begun)).toEqual({ by: 100_000, again: 89_001 });
    expect(at(89_001, begun)).toEqual({ by: null, again: Infinity });
  });

  it('counts as the nearest of several that can still be kept', () => {
    const one = [submitted({ steps, deadlineAt: later(100_000) })];
    const more = [NOW_MS + 60_000, NOW_MS + 90_000];
    expect(at(39_000, one, more)).toEqual({ by: 60_000, again: 39_001 });
    expect(at(39_001, one, more)).toEqual({ by: 90_000, again: 69_001 });
    expect(at(69_001, one, more)).toEqual({ by: 100_000, again: 79_001 });
  });

  it('that was not given changes nothing', () =>
    expect(at(0, [submitted({ steps })])).toEqual({ by: null, again: Infinity }));
});
