import { describe, expect, it } from '@jest/globals';
import { bookOf } from '#libs/testing/spec.js';
import { dispatched, later, needsModel, stepSpec, submitted, success } from '#libs/testing/builders.js';

const LLAMA = needsModel('llama3:8b');
const PHI = needsModel('phi4:14b');
const opens = (taskId: string, requirement = LLAMA) =>
  submitted({ taskId, steps: [stepSpec('a', { requirement })] });
const starts = (taskId: string, requirement = LLAMA) => dispatched('a', 1, { taskId, requirement });
const ends = (taskId: string, ms: number) =>
  ({ type: 'task.completed', taskId, step: success(), result: null, at: later(ms) }) as const;

describe('models at work on one server', () => {
  it('are counted while their attempts run', () => {
    const book = bookOf([opens('t1'), opens('t2', PHI), starts('t1'), starts('t2', PHI)]);
    expect([...(book.atWork.get('gpu1')?.values() ?? [])]).toEqual([1, 1]);
    expect(bookOf([opens('t1'), starts('t1'), ends('t1', 1_000)]).atWork.size).toBe(0);
  });

  it('share its computing: alone an attempt would have taken half of its time', () => {
    const facts = [opens('t1'), opens('t2', PHI), starts('t1'), starts('t2', PHI), ends('t1', 8_000)];
    expect([...bookOf(facts).paces.values()]).toMatchObject([{ meanMs: 8_000, aloneMs: 4_000 }]);
  });
});
