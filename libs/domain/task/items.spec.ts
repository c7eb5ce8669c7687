import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import { dispatchStep } from '#libs/domain/task/decide.js';
import { stepsOver } from '#libs/domain/task/kept-steps.js';
import { expandStep } from '#libs/domain/task/expand-step.js';
import { bookLines, bookOf } from '#libs/domain/task/book-state.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import {
  itemRefOf,
  itemsOutput,
  itemStepId,
  ITEMS_BYTES_MAX,
  noItemsYet,
  withItemEnd,
  type Items,
} from '#libs/domain/task/items.js';
import { stepOutcomes } from '#libs/domain/task/step-outcomes.js';
import { applyToBook, emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { dispatched, failureOf, later, NOW, stepSpec, submitted, success } from '#libs/testing/builders.js';

const LEASE = { leaseId: 'l1', token: 1, serverId: 'gpu1' };
const line = { sinceMs: 0, seq: 0 };
const given = { at: NOW, result: () => ({ ok: true, result: 'made' }) as const };

const bookAfter = (...events: readonly TaskEvent[]): TaskBook => {
  const book = emptyBook();
  for (const [place, event] of events.entries()) applyToBook(book, { seq: place + 1, event });
  return book;
};
const taskAfter = (...events: readonly TaskEvent[]) => bookAfter(...events).open.get('t1');
const begun = (concurrency: number, more: object = {}): TaskEvent =>
  submitted({
    steps: [stepSpec('x', { forEach: { concurrency }, ...more }), stepSpec('y', { needs: ['x'] })],
  });
const expanded = (items: number): TaskEvent => ({
  type: 'step.expanded',
  taskId: 't1',
  stepId: 'x',
  items,
  at: later(1),
});
const done = (index: number, output: unknown): readonly TaskEvent[] => [
  dispatched(`x[${index}]`),
  { type: 'step.completed', taskId: 't1', step: success(`x[${index}]`, 1, output) },
];

describe('the id of an item', () => {
  it('names its step and its place', () => {
    expect(itemStepId({ of: 'x', index: 17 })).toBe('x[17]');
    expect(itemRefOf('x[17]')).toEqual({ of: 'x', index: 17 });
    expect(itemRefOf('x')).toBeNull();
  });
});

describe('a step with items', () => {
  it('is never run itself, and its items are once it is known how many there are', () => {
    const dispatch = (task: ReturnType<typeof taskAfter>, stepId: string) =>
      dispatchStep(task, { stepId, attempt: 1, lease: LEASE, input: {}, at: NOW }, new Map());
    expect(dispatch(taskAfter(begun(1)), 'x')).toEqual([]);
    const known = taskAfter(begun(1), expanded(2));
    expect(dispatch(known, 'x')).toEqual([]);
    expect(dispatch(known, 'x[0]')).toMatchObject([{ type: 'step.dispatched', stepId: 'x[0]' }]);
    expect(dispatch(known, 'x[1]')).toEqual([]);
  });
});

describe('what items give', () => {
  it('is in the order of the list, in whatever order they end', () =>
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 400 }), fc.nat(), (outputs, seed) => {
        const order = outputs
          .map((_, n) => n)
          .toSorted((a, b) => ((a * 7919 + seed) % 401) - ((b * 7919 + seed) % 401));
        let items: Items = noItemsYet(outputs.length, line);
        for (const index of order) items = withItemEnd(items, index, { output: outputs[index] });
        const bytes = outputs.reduce<number>(
          (sum, one) => sum + Buffer.byteLength(JSON.stringify(one)) + 1,
          0,
        );
        expect(itemsOutput(items)).toEqual({
          total: outputs.length,
          completed: outputs.length,
          failed: 0,
          bytes,
          ...(bytes > ITEMS_BYTES_MAX ? {} : { items: outputs }),
        });
      }),
      { numRuns: 100 },
    ));

  it('is the error in the place of one that failed', () => {
    const failure = { code: 'MODEL_ERROR', message: 'broken', details: { large: true } } as const;
    const items = withItemEnd(withItemEnd(noItemsYet(2, line), 1, { failure }), 0, { output: 'a' });
    expect(itemsOutput(items).items).toEqual(['a', { error: { code: 'MODEL_ERROR', message: 'broken' } }]);
  });

  it('is only counted once it is more than is kept', () => {
    let items = noItemsYet(3, line);
    for (const index of [0, 1, 2])
      items = withItemEnd(items, index, { output: 'x'.repeat(ITEMS_BYTES_MAX / 2) });
    expect(itemsOutput(items)).toEqual({
      total: 3,
      completed: 3,
      failed: 0,
      bytes: 3 * (ITEMS_BYTES_MAX / 2 + 3),
    });
  });
});

describe('a step with items in the book', () => {
  it('opens as many as may run at once, and the next one with each that is over', () => {
    const ids = (...events: readonly TaskEvent[]) =>
      taskAfter(begun(2), ...events)?.steps.map(({ spec }) => spec.id);
    expect(ids()).toEqual(['x', 'y']);
    expect(ids(expanded(3))).toEqual(['x', 'y', 'x[0]', 'x[1]']);
    expect(ids(expanded(3), ...done(1, 'b'))).toEqual(['x', 'y', 'x[0]', 'x[2]']);
    expect(ids(expanded(3), ...done(1, 'b'), ...done(2, 'c'))).toEqual(['x', 'y', 'x[0]']);
  });

  it('is over with the last of them, and gives what they gave', () => {
    const task = taskAfter(begun(2), expanded(2), ...done(1, 'b'), ...done(0, 'a'));
    expect(task && stepOutcomes(task)).toEqual({
      x: {
        status: 'completed',
        output: { total: 2, completed: 2, failed: 0, bytes: 8, items: ['a', 'b'] },
        error: null,
      },
    });
  });

  it('keeps an item of which a try failed, with its retries', () => {
    const failed: TaskEvent = {
      type: 'step.failed',
      taskId: 't1',
      step: failureOf('x[0]', 1, { code: 'MODEL_ERROR', message: 'broken' }),
      retryAt: later(9),
    };
    const task = taskAfter(begun(1), expanded(2), dispatched('x[0]'), failed);
    expect(task?.steps.at(-1)).toMatchObject({
      spec: { id: 'x[0]' },
      progress: { status: 'pending', attempts: 1, notBefore: later(9) },
    });
  });

  it('costs a state that stays small, however long the list is', () => {
    const book = bookAfter(
      begun(100),
      expanded(10_000),
      ...Array.from({ length: 5_000 }, (_, n) => done(n, null)).flat(),
    );
    const lines = [...bookLines(book)];
    expect(lines.join('').length).toBeLessThan(100_000);
    expect(canonicalJson(bookOf(lines))).toBe(canonicalJson(book));
    expect(book.open.get('t1')?.steps).toHaveLength(102);
  });
});

describe('saying how many items there are', () => {
  it('is a fact once all that the step needs is over, once', () => {
    const waits = submitted({
      steps: [stepSpec('y'), stepSpec('x', { needs: ['y'], forEach: { concurrency: 1 } })],
    });
    const say = (...events: readonly TaskEvent[]) =>
      expandStep(taskAfter(...events), { stepId: 'x', items: 2 }, given);
    expect(say(waits)).toEqual([]);
    expect(say(begun(1))).toMatchObject([{ type: 'step.expanded', items: 2 }]);
    expect(say(begun(1), expanded(2))).toEqual([]);
    expect(say(begun(1, { conditional: true }))).toEqual([]);
  });

  it('ends the task where there are none and nothing else is left', () => {
    const alone = submitted({ steps: [stepSpec('x', { forEach: { concurrency: 1 } })] });
    const [ended] = expandStep(taskAfter(alone), { stepId: 'x', items: 0 }, given);
    expect(ended).toMatchObject({ type: 'task.completed', empty: 'x', result: 'made' });
  });
});

describe('a step with items that is kept for another run', () => {
  it('gives what its items gave', () => {
    const over = stepsOver([begun(2), expanded(2), ...done(1, 'b'), ...done(0, 'a')]);
    expect([...over.values()]).toEqual([
      { stepId: 'x', output: { total: 2, completed: 2, failed: 0, bytes: 8, items: ['a', 'b'] } },
    ]);
  });

  it('is not over before the last of them is', () => {
    expect(stepsOver([begun(2), expanded(3), ...done(1, 'b')]).size).toBe(0);
  });
});
