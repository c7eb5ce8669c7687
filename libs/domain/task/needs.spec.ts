import { describe, expect, it } from '@jest/globals';
import { unmetNeeds } from '#libs/domain/task/needs.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { NOW_MS, workflowOf, type WorkflowEdge } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { TaskWorld } from '#libs/testing/task-world.js';

const none: WorkflowEdge = { onFailure: null, isRead: false };

/** A world with one workflow, and an index that has seen all of it, event by event. */
const begun = (size: number, ...edges: readonly WorkflowEdge[]) => {
  const world = new TaskWorld();
  world.submitWorkflow(workflowOf('w', size, edges));
  const index = new TaskIndex(world.book, UNKNOWN_COSTS);
  index.rebuild(NOW_MS);
  let seen = world.log.length;
  /** Steps that could run, as the scheduler keeps them up to date. */
  const ready = (): readonly string[] => {
    for (; seen < world.log.length; seen += 1) {
      const { event } = world.log[seen] ?? {};
      if (!event || !('taskId' in event)) continue;
      index.refresh(event.taskId, NOW_MS);
      if (event.type !== 'task.failed' && event.type !== 'task.cancelled') continue;
      for (const dependent of index.takeDependents(event.taskId)) index.refresh(dependent, NOW_MS);
    }
    return [...world.book.open.keys()].filter((id) => index.ready.find(id, 'a') !== undefined);
  };
  const complete = (taskId: string): void => {
    world.dispatch(taskId, 'a');
    const attempt = world.attempts.at(-1);
    if (attempt) world.report(attempt, { kind: 'completed', output: 1 });
  };
  const unmet = (taskId: string): readonly (string | null)[] => {
    const open = world.book.open.get(taskId);
    return open ? unmetNeeds(open, world.book.closed).map(({ name }) => name) : [];
  };
  return { world, ready, complete, unmet };
};

describe('a task of a workflow', () => {
  it('runs when each task that it needs is done or passed over', () => {
    const [fails, continues] = [
      { onFailure: 'fail', isRead: false },
      { onFailure: 'continue', isRead: false },
    ] as const;
    const { world, ready, complete, unmet } = begun(3, none, fails, continues);
    expect([ready(), unmet('w-2')]).toEqual([
      ['w-0', 'w-1'],
      ['task0', 'task1'],
    ]);
    world.cancel('w-1');
    expect([ready(), unmet('w-2')]).toEqual([['w-0'], ['task0']]);
    complete('w-0');
    expect([ready(), unmet('w-2')]).toEqual([['w-2'], []]);
  });

  it('waits for the end of what it reads, also where the edge between has let go', () => {
    const { world, ready, complete, unmet } = begun(
      3,
      { onFailure: 'fail', isRead: false },
      { onFailure: null, isRead: true },
      { onFailure: 'continue', isRead: false },
    );
    world.cancel('w-1');
    expect([ready(), unmet('w-2')]).toEqual([['w-0'], ['task0']]);
    expect(world.dispatch('w-2', 'a')).toEqual([]);
    complete('w-0');
    expect([ready(), unmet('w-2')]).toEqual([['w-2'], []]);
    expect(world.book.results.get('w-0')).toEqual({ users: 1, result: { result: 'w-0' } });
  });

  it('goes on when what it reads has failed: it sees that there is nothing', () => {
    const { world, ready } = begun(
      3,
      { onFailure: 'fail', isRead: false },
      { onFailure: null, isRead: true },
      { onFailure: 'continue', isRead: false },
    );
    world.cancel('w-0');
    expect([...world.book.closed]).toEqual([
      ['w-0', 'cancelled'],
      ['w-1', 'failed'],
    ]);
    expect(ready()).toEqual(['w-2']);
  });
});
