import type { ErrorCode, Failure } from '#libs/domain/errors.js';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';

/** A step that failed for a reason of its own. */
export class StepError extends Error {
  override readonly name = 'StepError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}

/** Longest message that goes into an event. */
const MESSAGE_MAX = 2_000;

export const failureOf = (error: unknown): Failure => {
  if (error instanceof StepError || error instanceof ModelRunnerError) {
    const { code, message, details } = error;
    return {
      code,
      message: message.slice(0, MESSAGE_MAX),
      ...(Object.keys(details).length > 0 ? { details } : {}),
    };
  }
  return { code: 'INTERNAL', message: String(error).slice(0, MESSAGE_MAX) };
};
