import { isInterruption, isRetryable, type ErrorCode } from '../errors.js';
import type { RetrySpec } from './step-spec.js';
import type { ActiveStep } from './task.js';

/**
 * An interruption is not the task's fault: it has retries of its own and takes none of the template's. Not without
 * end, though: a task may be what kills its executor.
 */
export const mayRetry = ({ spec, attempt, interruptions }: ActiveStep, code: ErrorCode): boolean =>
  isInterruption(code)
    ? interruptions < INTERRUPTIONS_MAX
    : isRetryable(code) &&
      spec.retry.on?.includes(code) !== false &&
      attempt - interruptions < spec.retry.attemptsMax;
const INTERRUPTIONS_MAX = 5;

/** Doubling from the template's first wait, a minute at most, with up to half of it as jitter so that retries spread. */
const BACKOFF_MAX_MS = 60_000;
export const backoffMs = (retry: RetrySpec, attempt: number, random: number): number => {
  const fullMs = Math.min(BACKOFF_MAX_MS, retry.backoffMs * 2 ** (attempt - 1));
  return Math.round(fullMs * (0.5 + random / 2));
};
