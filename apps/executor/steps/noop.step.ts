import { ERRORS, type ErrorCode } from '#libs/domain/errors.js';
import { StepError } from '../step-error.js';
import type { StepRunner } from '../step-runner.js';

/** Does nothing, for measuring and for tests: waits `delay_ms`, fails as asked, answers with `echo`. */
export const noopStep: StepRunner = async ({ input, attempt, signal }) => {
  const { delay_ms: delayMs = 0, echo = null, fail } = input as NoopInput;
  if (delayMs > 0) await delay(delayMs, signal);
  if (fail && attempt <= (fail.times ?? Number.POSITIVE_INFINITY)) {
    const code = fail.code !== undefined && fail.code in ERRORS ? (fail.code as ErrorCode) : 'MODEL_ERROR';
    throw new StepError(code, fail.message ?? 'failed as asked');
  }
  return { output: echo };
};

type NoopInput = {
  readonly delay_ms?: number;
  readonly echo?: unknown;
  readonly fail?: { readonly code?: string; readonly message?: string; readonly times?: number };
};

const delay = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const aborted = (): void => {
      clearTimeout(timer);
      reject(new StepError('RUN_ABORTED', 'aborted while waiting'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted, { once: true });
  });
