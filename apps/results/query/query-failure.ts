import type { ErrorCode, Failure } from '#libs/domain/errors.js';

/** A query that is answered with a failure instead of a value. */
export class QueryFailure extends Error {
  override readonly name = 'QueryFailure';
  readonly failure: Failure;

  constructor(code: ErrorCode, message: string, details?: Readonly<Record<string, unknown>>) {
    super(message);
    this.failure = { code, message, ...(details ? { details } : {}) };
  }
}
