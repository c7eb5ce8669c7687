import type { ErrorCode } from '#libs/domain/errors.js';

/** Why an inference server did not do what was asked. The code says whether another attempt can help (see the catalogue). */
export class ModelRunnerError extends Error {
  override readonly name = 'ModelRunnerError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Readonly<Record<string, string | number | boolean>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
