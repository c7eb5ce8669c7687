import type { ErrorCode } from '#libs/domain/errors.js';
import { ModelRunnerError } from '../model-runner-error.js';

/**
 * What the server says when a model cannot be brought into memory. It says so with status 500 like everything else
 * that goes wrong, so its words are all there is to go by (server/sched.go and llm/server.go of v0.12 to v0.33).
 */
const LOAD_FAILURES = [
  'llama runner process has terminated',
  'llama runner process no longer running',
  'llama-server process',
  'waiting for llama',
  'error starting runner',
  'failed to load',
  'error loading',
  'unable to load',
  'requires more system memory',
  'memory layout cannot be allocated',
  'failed to allocate memory',
  'failed to commit memory',
  'binary not found',
];

/** A wrong request that the server answers with status 500; trying again cannot help. */
const REFUSALS = [/^option ".*" must be/, /^invalid format/, /^invalid JSON schema/i, /does not support/];

/** Cuts what a server said to what fits in a log line; a proxy in between may answer with a whole page. */
const SAID_CHARACTERS_MAX = 500;

export const errorText = (body: string): string => {
  let said = body.trim();
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'error' in parsed) {
      const { error } = parsed;
      said = typeof error === 'string' ? error : JSON.stringify(error);
    }
  } catch {
    // Not JSON: the text itself is what was said.
  }
  return said.slice(0, SAID_CHARACTERS_MAX);
};

const serverErrorCode = (said: string): ErrorCode => {
  if (REFUSALS.some((pattern) => pattern.test(said))) return 'MODEL_REQUEST_REFUSED';
  return LOAD_FAILURES.some((words) => said.includes(words)) ? 'MODEL_LOAD_FAILED' : 'MODEL_ERROR';
};

const codeOfStatus = (status: number, said: string): ErrorCode => {
  if (status === 404)
    return said.includes('not found') && said.includes('model') ? 'MODEL_NOT_FOUND' : 'MODEL_REQUEST_REFUSED';
  if (status === 429 || status === 503) return 'SERVER_BUSY';
  // "request canceled": not by us, or nobody would be reading this.
  if (status === 499) return 'MODEL_STREAM_BROKEN';
  // A proxy whose server is gone, or an address that is not an Ollama server at all.
  if (status === 502 || status === 504 || (status >= 300 && status < 400)) return 'SERVER_UNREACHABLE';
  if (status >= 400 && status < 500) return 'MODEL_REQUEST_REFUSED';
  return serverErrorCode(said);
};

/** An answer with a status other than 200. */
export const statusError = (
  what: string,
  status: number,
  body: string,
  location?: string,
): ModelRunnerError => {
  const said = errorText(body);
  const code = codeOfStatus(status, said);
  const rest = location === undefined ? said : `a redirect to '${location}' (redirects are not followed)`;
  return new ModelRunnerError(
    code,
    `${what}: the server answered ${status} — ${rest || 'without a reason'}`,
    { status },
  );
};

/** An `{"error": ...}` line under a status of 200 that was already sent. */
export const errorLine = (what: string, said: string): ModelRunnerError =>
  new ModelRunnerError(
    serverErrorCode(said),
    `${what}: the server broke off — ${said.slice(0, SAID_CHARACTERS_MAX)}`,
  );

/** The connection failed. Before the first byte that is the server; after it, it is this answer. */
export const transportError = (what: string, error: unknown, answering: boolean): ModelRunnerError => {
  if (error instanceof ModelRunnerError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const reason = error instanceof Error ? error.message : String(error);
  return new ModelRunnerError(
    answering ? 'MODEL_STREAM_BROKEN' : 'SERVER_UNREACHABLE',
    `${what}: the connection failed ${answering ? 'in mid-answer' : 'before an answer'} — ${reason || code}`,
    { cause: code },
    { cause: error },
  );
};
