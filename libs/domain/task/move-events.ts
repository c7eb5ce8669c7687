import type { TaskId } from '../ids.js';
import type { Place } from '../policy/place.js';
import type { StartPromise } from './start-promise.js';

/** Somebody gave a task that waits another place in the queue of its workspace. It keeps that until its priority is changed. */
export type TaskMoved = {
  readonly type: 'task.moved';
  readonly taskId: TaskId;
  readonly to: MoveTo;
  /** Beside the task whose submission has the sequence `seq`; see `Place` for `nth`. */
  readonly place: Omit<Place, 'fromMs'> & { readonly from: string };
  /**
   * Present where others go first now that did not before: it has given up the start that it was promised. From here on its place in the
   * line of promises is that of a task submitted now; null where that is promised none.
   */
  readonly promise?: StartPromise | null;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
};

export type MoveTo =
  | { readonly kind: 'front' | 'back' }
  | { readonly kind: 'before' | 'after'; readonly taskId: TaskId };

/** Where a person has put a task. */
export type Moved = {
  readonly to: MoveTo;
  readonly place: Place;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
};
