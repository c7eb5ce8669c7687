/** An answer of the real server to a request that it cannot serve: status and the text of `error`. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Unwraps what a parser gives: the value, or the refusal under the status that the real server uses for it. */
export const orFail = <T>(parsed: T | { readonly error: string }, status: number): T => {
  if (isRefusal(parsed)) throw new HttpFailure(status, parsed.error);
  return parsed;
};

const isRefusal = (parsed: unknown): parsed is { readonly error: string } =>
  typeof parsed === 'object' && parsed !== null && 'error' in parsed;
