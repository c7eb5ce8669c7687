import { ERRORS, type ErrorCode, type Failure } from '#libs/domain/errors.js';

/** What one field has wrong. `value` is shortened; `accepted` says what would be right. */
export type FieldProblem = {
  readonly path: string;
  readonly value?: unknown;
  readonly message: string;
  readonly accepted?: string;
};

/** RFC 9457, with the code of the catalogue and the fields that are wrong as extensions. */
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ErrorCode;
  readonly errors?: readonly FieldProblem[];
  readonly details?: Readonly<Record<string, unknown>>;
};

/** Thrown anywhere on the way to an answer; the filter makes the answer of it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly errors: readonly FieldProblem[] = [],
    readonly details?: Readonly<Record<string, unknown>>,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }

  /** Problems in the details of a failure are fields that a client can mend. */
  static of({ code, message, details }: Failure): ApiError {
    const { problems, ...rest } = details ?? {};
    if (!Array.isArray(problems)) return new ApiError(code, message, [], details);
    const others = Object.keys(rest).length > 0 ? rest : undefined;
    return new ApiError(code, message, problems as readonly FieldProblem[], others);
  }
}

/** A URN, because a type must not change when documentation moves. */
export const typeOf = (code: ErrorCode): string =>
  `urn:ai-task-orchestra:error:${code.toLowerCase().replaceAll('_', '-')}`;

export const problemOf = (error: ApiError, instance: string): Problem => {
  const { http, title } = ERRORS[error.code];
  return {
    type: typeOf(error.code),
    title,
    status: http,
    detail: error.message,
    instance,
    code: error.code,
    ...(error.errors.length > 0 ? { errors: error.errors } : {}),
    ...(error.details === undefined ? {} : { details: error.details }),
  };
};

/** Longest piece of a caller's value that is repeated to it. */
const SHOWN_MAX = 120;

/** A caller's value, short enough to be shown. */
export const shown = (value: unknown): unknown => {
  if (value === undefined || value === null || typeof value === 'number' || typeof value === 'boolean')
    return value ?? null;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}… (${text.length} characters)`;
};
