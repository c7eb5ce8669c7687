import type { ErrorCode, Failure } from '#libs/domain/errors.js';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';
import { OutgoingError } from '#libs/outgoing-http/outgoing-error.js';

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

/** Whether an error says itself what went wrong. */
const isSaid = (error: unknown): error is StepError | ModelRunnerError | OutgoingError =>
  error instanceof StepError || error instanceof ModelRunnerError || error instanceof OutgoingError;

export const failureOf = (error: unknown): Failure => {
  if (isSaid(error)) {
    const { code, message, details } = error;
    return {
      code,
      message: message.slice(0, MESSAGE_MAX),
      ...(Object.keys(details).length > 0 ? { details } : {}),
    };
  }
  return { code: 'INTERNAL', message: String(error).slice(0, MESSAGE_MAX) };
};
