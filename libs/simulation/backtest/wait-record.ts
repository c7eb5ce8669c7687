import type { StepId, TaskId } from '#libs/domain/ids.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import type { Waited } from '#libs/domain/task/waiting-events.js';
import type { WaitLength } from '../conductor/waiting-steps.js';

type Seen = { readonly sinceMs: number; endedMs: number | null; fails: boolean };

/** What nobody saw the end of takes half as long again as was seen of it. */
const UNSEEN_MARGIN = 1.5;

/** How long steps waited, for times and for people: a replay waits as long again, because neither hangs on a policy. */
export class WaitRecord {
  readonly #seen = new Map<string, Seen>();
  #lastMs = 0;

  task(event: TaskRecord['event'], atMs: number): void {
    this.#lastMs = Math.max(this.#lastMs, atMs);
    if (event.type === 'step.waiting')
      this.#seen.set(keyOf(event.taskId, event.stepId), { sinceMs: atMs, endedMs: null, fails: false });
    if ('waited' in event && event.waited) this.#ended(event.taskId, event.waited, atMs);
  }

  lengthOf(taskId: TaskId, stepId: StepId): WaitLength {
    const seen = this.#seen.get(keyOf(taskId, stepId));
    if (seen === undefined) return { forMs: 0, fails: false };
    const { sinceMs, endedMs, fails } = seen;
    const forMs = endedMs === null ? (this.#lastMs - sinceMs) * UNSEEN_MARGIN : endedMs - sinceMs;
    return { forMs, fails };
  }

  #ended(taskId: TaskId, { stepId, failure }: Waited, atMs: number): void {
    const seen = this.#seen.get(keyOf(taskId, stepId));
    if (seen) Object.assign(seen, { endedMs: atMs, fails: failure !== undefined });
  }
}

const keyOf = (taskId: TaskId, stepId: StepId): string => `${taskId}/${stepId}`;
