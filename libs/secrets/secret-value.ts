/**
 * Shorter values would be found in texts that have nothing to do with them: eight characters of a common alphabet meet by chance once in
 * many millions of outputs. What is that short is no secret that anybody should rely on, so it is refused and not merely left unredacted.
 */
export const SECRET_MIN_CHARS = 8;

/** A chain of certificates with its key. */
export const SECRET_MAX_BYTES = 16 * 1024;

export const SECRET_ACCEPTED = `text of ${SECRET_MIN_CHARS} characters to ${SECRET_MAX_BYTES} bytes, without NUL`;

/** The text of bytes that hold a secret, less the one line end that editors and `echo` add; or what is wrong with it. */
export const secretOf = (bytes: Uint8Array): { readonly value: string } | { readonly problem: string } => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { problem: 'is not UTF-8' };
  }
  const value = text.replace(/\r?\n$/, '');
  const problem = problemOf(value);
  return problem === null ? { value } : { problem };
};

const problemOf = (value: string): string | null => {
  if (value.length < SECRET_MIN_CHARS)
    return `has ${value.length} characters, too few to be told from other text in what steps give back`;
  if (Buffer.byteLength(value) > SECRET_MAX_BYTES) return `has ${Buffer.byteLength(value)} bytes`;
  return value.includes('\0') ? 'has a NUL in it' : null;
};
