import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { isOfGroup } from '#libs/domain/task/pauses.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { PLAIN, UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { taskActions } from '#libs/testing/task-actions.js';
import { TaskWorld } from '#libs/testing/task-world.js';

/** Everything ready, in order, and what the workspaces have had. */
const told = (index: TaskIndex, open: Iterable<string>) => ({
  ready: index.ready.groups(PLAIN).flatMap(({ steps }) => [...steps]),
  served: [...index.servedMs()],
  // Who stands in the line of promises, and behind how much.
  ahead: [...open].map((taskId) => [taskId, index.bounds.workAheadMs(taskId, 'cpu')]),
});

/** As the scheduler keeps it up to date. */
const follow = (index: TaskIndex, { event }: TaskRecord, nowMs: number): void => {
  if ('taskId' in event) index.refresh(event.taskId, nowMs);
  else if ('scope' in event && isOfGroup(event.scope)) index.rebuild(nowMs);
  if (event.type !== 'task.failed' && event.type !== 'task.cancelled') return;
  for (const dependent of index.takeDependents(event.taskId)) index.refresh(dependent, nowMs);
};

describe('what is derived from the book', () => {
  it('is after any history the same as what a scheduler makes that starts then', () => {
    let moved = 0;
    fc.assert(
      fc.property(taskActions, (actions) => {
        const world = new TaskWorld();
        const index = new TaskIndex(world.book, UNKNOWN_COSTS);
        let seen = 0;
        for (const action of actions) {
          world.act(action);
          for (; seen < world.log.length; seen += 1) {
            const record = world.log[seen];
            if (record) follow(index, record, world.nowMs);
          }
          index.wake(world.nowMs);
        }
        const anew = new TaskIndex(world.book, UNKNOWN_COSTS);
        anew.rebuild(world.nowMs);
        const open = [...world.book.open.keys()];
        expect(told(index, open)).toEqual(told(anew, open));
        moved += [...world.book.open.values()].filter((task) => task.moved !== null).length;
      }),
    );
    expect(moved).toBeGreaterThan(0);
  });
});
