import type { Place } from '../policy/place.js';
import { msOf, rfc3339Of } from '../time.js';
import type { TaskEvent } from './events.js';
import { hasBegun } from './begun.js';
import { isFinishing, outOfTime } from './finish.js';
import type { OpenTask } from './task.js';

/** From when on a task may run and its waiting counts: its submission, or `runAt` where that is later. */
export const waitsFromMs = ({ submittedAt, runAt }: Pick<OpenTask, 'submittedAt' | 'runAt'>): number =>
  runAt === null ? msOf(submittedAt) : Math.max(msOf(submittedAt), msOf(runAt));

/** The place that age and a priority give it. */
export const plainPlaceOf = (task: OpenTask, priority: number): Place => ({
  priority,
  fromMs: waitsFromMs(task),
  seq: task.seq,
  nth: [],
});

/**
 * When its time is over: in the queue, or for the steps at its end. Null for a task that has no such time, is ending, or has begun and not
 * come to its end.
 */
export const expiresAtMs = (task: OpenTask): number | null => {
  if (task.finishing) return task.ending === null ? msOf(task.finishing.until) : null;
  return task.queueTtlMs === null || task.ending !== null || hasBegun(task)
    ? null
    : waitsFromMs(task) + task.queueTtlMs;
};

/** A task of which nothing has started when its time in the queue is over fails, and the steps at its end end with theirs; asking too early or too late adds nothing. */
export const expireTask = (task: OpenTask, nowMs: number): readonly TaskEvent[] => {
  const atMs = expiresAtMs(task);
  if (atMs === null || nowMs < atMs) return [];
  if (isFinishing(task)) return outOfTime(task, rfc3339Of(nowMs));
  const failure = {
    code: 'QUEUE_TTL_EXPIRED',
    message:
      `No step of the task had started when its ${task.queueTtlMs} ms in the queue were over, at ${rfc3339Of(atMs)}; ` +
      'submit it again, with a longer queue_ttl_ms or a higher priority.',
    details: { queueTtlMs: task.queueTtlMs },
  } as const;
  return [{ type: 'task.failed', taskId: task.id, failure, stopped: [], at: rfc3339Of(nowMs) }];
};

/** Order in which tasks were promised their starts. */
export const byTurn = (a: OpenTask, b: OpenTask): number => (a.line?.seq ?? a.seq) - (b.line?.seq ?? b.seq);
