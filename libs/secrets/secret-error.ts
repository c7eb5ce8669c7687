/** Why a secret cannot be had. Names it, and never says anything of its value. */
export class SecretError extends Error {
  override readonly name = 'SecretError';

  constructor(
    readonly code: 'SECRET_UNKNOWN' | 'SECRET_NOT_ALLOWED' | 'SECRET_UNAVAILABLE',
    message: string,
  ) {
    super(message);
  }
}
