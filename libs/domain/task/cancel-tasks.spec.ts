import { describe, expect, it } from '@jest/globals';
import { cancelTasks, type TaskChoice } from '#libs/domain/task/cancel-tasks.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import { dispatched, NOW, stepSpec, stoppedAttempt, submitted, success } from '#libs/testing/builders.js';
import { bookOf } from '#libs/testing/spec.js';

const task = (taskId: string, more: Partial<Omit<TaskSubmitted, 'type'>> = {}): TaskSubmitted =>
  submitted({ taskId, ...more });
const running = { taskId: 'running' };

const FACTS: readonly TaskEvent[] = [
  task('plain'),
  task('lab', { workspace: 'lab' }),
  task('other', { template: { name: 'translate', version: 'v1' } }),
  task('red', { labels: { team: 'red', batch: '7' }, priority: 8 }),
  task('blue', { labels: { team: 'blue', batch: '7' }, priority: 2 }),
  task('running', { steps: [stepSpec('a'), stepSpec('b', { needs: ['a'] })] }),
  dispatched('a', 1, running),
  task('between', { steps: [stepSpec('a'), stepSpec('b', { needs: ['a'] })] }),
  dispatched('a', 1, { taskId: 'between' }),
  { type: 'step.completed', taskId: 'between', step: success('a') },
  task('over'),
  { type: 'task.cancelled', taskId: 'over', reason: 'x', stopped: [], at: NOW },
  task('ending'),
  dispatched('a', 1, { taskId: 'ending' }),
  { type: 'task.cancel-requested', taskId: 'ending', reason: 'x', at: NOW },
];

const cancelled = (choice: TaskChoice, tasksMax = 100) =>
  cancelTasks(choice, 'not needed', bookOf(FACTS), { at: NOW, tasksMax });

describe('cancelling by filter', () => {
  it('ends what waits and asks what runs, each by its own event, and leaves what is ending alone', () =>
    expect(cancelled({ template: 'summarize', priorityMin: 5, priorityMax: 5, workspace: 'home' })).toEqual({
      events: [
        { type: 'task.cancelled', taskId: 'plain', reason: 'not needed', stopped: [], at: NOW },
        { type: 'task.cancel-requested', taskId: 'running', reason: 'not needed', at: NOW },
        { type: 'task.cancelled', taskId: 'between', reason: 'not needed', stopped: [], at: NOW },
      ],
      cancelled: ['plain', 'between'],
      stopping: ['running'],
      more: false,
    }));

  it.each<readonly [what: string, choice: TaskChoice, ids: readonly string[]]>([
    ['workspace', { workspace: 'lab' }, ['lab']],
    ['template', { template: 'translate' }, ['other']],
    ['label', { labels: { team: 'red' } }, ['red']],
    ['several labels', { labels: { batch: '7', team: 'blue' } }, ['blue']],
    ['a label that none has', { labels: { toString: 'x' } }, []],
    ['lowest priority', { priorityMin: 6 }, ['red']],
    ['highest priority', { priorityMax: 4 }, ['blue']],
    ['status running', { statuses: ['running'] }, ['running', 'between']],
    ['status queued', { statuses: ['queued'] }, ['plain', 'lab', 'other', 'red', 'blue']],
    ['either status', { statuses: ['queued', 'running'], workspace: 'lab' }, ['lab']],
  ])('takes those of the %s', (_, choice, ids) =>
    expect(cancelled(choice).events.map(({ taskId }) => taskId)).toEqual(ids),
  );

  it('takes so many at once, the oldest first, and says whether there are more', () => {
    expect(cancelled({ statuses: ['queued'] }, 2)).toMatchObject({ cancelled: ['plain', 'lab'], more: true });
    expect(cancelled({ statuses: ['queued'] }, 5)).toMatchObject({ more: false });
    expect(cancelled({ statuses: ['queued'] }, 4)).toMatchObject({ more: true });
  });

  it('goes on where the last request stopped', () => {
    const facts = [...FACTS, ...cancelled({ statuses: ['running'] }, 1).events];
    const next = cancelTasks({ statuses: ['running'] }, 'x', bookOf(facts), { at: NOW, tasksMax: 1 });
    expect(next).toMatchObject({ cancelled: ['between'], stopping: [], more: false });
  });

  it('does not count attempts that were stopped for work that was done', () => {
    const stopped: TaskEvent = {
      type: 'step.stopped',
      taskId: 'twice',
      step: stoppedAttempt('confirmed'),
      at: NOW,
    };
    const book = bookOf([task('twice'), dispatched('a', 1, { taskId: 'twice' }), stopped]);
    const choice: TaskChoice = { statuses: ['queued'] };
    expect(cancelTasks(choice, 'x', book, { at: NOW, tasksMax: 9 }).cancelled).toEqual(['twice']);
  });
});
