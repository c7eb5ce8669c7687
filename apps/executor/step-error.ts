import { ArtifactError } from '#libs/artifacts/artifact-store.js';
import type { ErrorCode, Failure } from '#libs/domain/errors.js';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';
import { NO_SECRETS, type Redactor } from '#libs/secrets/redactor.js';
import { SecretError } from '#libs/secrets/secret-error.js';
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
const isSaid = (error: unknown): error is StepError | ModelRunnerError | OutgoingError | ArtifactError =>
  [StepError, ModelRunnerError, OutgoingError, ArtifactError].some((kind) => error instanceof kind);

/** Cut behind the redactor, which would not know a value that was cut in two. */
export const failureOf = (error: unknown, redactor: Redactor = NO_SECRETS): Failure => {
  const cut = (message: string): string => redactor.text(message).slice(0, MESSAGE_MAX);
  if (error instanceof SecretError) return { code: error.code, message: cut(error.message) };
  if (isSaid(error)) {
    const { code, message, details } = error;
    return {
      code,
      message: cut(message),
      ...(Object.keys(details).length > 0
        ? { details: redactor.value(details) as Readonly<Record<string, unknown>> }
        : {}),
    };
  }
  return { code: 'INTERNAL', message: cut(String(error)) };
};
