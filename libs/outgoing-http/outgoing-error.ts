import type { ErrorCode } from '#libs/domain/errors.js';

/** A request that may not be sent, or that got no answer; its code is one of `HTTP_…`. */
export class OutgoingError extends Error {
  override readonly name = 'OutgoingError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
  }
}
