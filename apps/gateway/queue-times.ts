import { AHEAD_MAX_MS, utcOf } from './http/point-in-time.js';
import { ApiError } from './http/problem.js';
import type { SubmitTaskDto } from './submit-task.dto.js';

/** When a task may start, should be done, and has waited too long, as the command has it. */
export type QueueTimes = {
  readonly runAt?: string;
  readonly deadlineAt?: string;
  readonly queueTtlMs?: number;
};

type Given = Pick<SubmitTaskDto, 'run_at' | 'deadline_at' | 'queue_ttl_ms'>;

/** A time that has passed is accepted: a request that is repeated must be what it was the first time. */
export const queueTimesOf = (given: Given, nowMs: number): QueueTimes => {
  const runAt = bounded('run_at', given.run_at, nowMs);
  const deadlineAt = bounded('deadline_at', given.deadline_at, nowMs);
  if (runAt !== undefined && deadlineAt !== undefined && deadlineAt <= runAt) {
    const accepted = `a time after run_at (${runAt})`;
    throw refused('deadline_at', given.deadline_at, `is not after run_at; expected ${accepted}`, accepted);
  }
  return {
    ...(runAt === undefined ? {} : { runAt }),
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
    ...(given.queue_ttl_ms === undefined ? {} : { queueTtlMs: given.queue_ttl_ms }),
  };
};

const bounded = (
  name: 'run_at' | 'deadline_at',
  text: string | undefined,
  nowMs: number,
): string | undefined => {
  const utc = text === undefined ? undefined : (utcOf(text) ?? undefined);
  const latest = new Date(nowMs + AHEAD_MAX_MS).toISOString();
  if (utc === undefined || utc <= latest) return utc;
  const accepted = `a time within a year, until ${latest}`;
  throw refused(name, text, `is too far ahead; expected ${accepted}`, accepted);
};

const refused = (path: string, value: unknown, message: string, accepted: string): ApiError =>
  new ApiError('VALIDATION_FAILED', `${path} '${String(value)}' ${message}.`, [
    { path, value, message, accepted },
  ]);
