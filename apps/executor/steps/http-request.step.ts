import { packageVersion } from '#libs/runtime/version.js';
import type { Redactor } from '#libs/secrets/redactor.js';
import type { AllowEntry } from '#libs/outgoing-http/address-rules.js';
import { readAs, textOf } from '../http/answer-body.js';
import { checkedUrl, shownUrl } from '#libs/outgoing-http/checked-url.js';
import { systemResolve, type Resolve } from '#libs/outgoing-http/guarded-connection.js';
import { bodyOf, headersOf, pairsOf, type HttpInput } from '../http/request-input.js';
import {
  sendRequest,
  type HttpAnswer,
  type HttpRequest,
  type HttpRules,
} from '#libs/outgoing-http/send-request.js';
import { StepError } from '../step-error.js';
import type { StepRunner } from '../step-runner.js';

const TIMEOUT_DEFAULT_MS = 30_000;
const ANSWER_DEFAULT_BYTES = 256 * 1024;
const REDIRECTS_DEFAULT = 5;
const USER_AGENT = `ai-task-orchestra/${packageVersion()}`;

/** What the next attempt may find better; every other status is meant. */
const PASSING: ReadonlySet<number> = new Set([
  408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524, 529,
]);

/** So much of an answer that was not expected stands in the error. */
const SHOWN_CHARS = 500;

/** Sends one HTTP request, to the public internet and to what `allowed` names. */
export const httpRequestStep = (
  allowed: readonly AllowEntry[],
  resolve: Resolve = systemResolve,
): StepRunner => {
  const rules = { allowed, resolve, opener: 'ORCHESTRA_HTTP_ALLOW' };
  return async ({ input, redactor, progress, signal }) => {
    const given = input as HttpInput;
    const request = requestOf(given, redactor);
    progress(`${request.method} ${shownUrl(request.url, redactor)}`);
    const startedMs = performance.now();
    const { timeout_ms: timeoutMs = TIMEOUT_DEFAULT_MS } = given;
    const answer = await withinTime(request, { ...rules, redactor }, timeoutMs, signal);
    const contentType = String(answer.headers['content-type'] ?? '');
    if (!isExpected(answer.status, given.expect_status))
      throw unexpected(request, answer, { contentType, redactor });
    return {
      output: {
        status: answer.status,
        headers: answer.headers,
        ...readAs(given.parse ?? 'auto', { ...answer, contentType }),
        url: answer.url.href,
        truncated: answer.truncated,
        duration_ms: Math.round(performance.now() - startedMs),
      },
    };
  };
};

const requestOf = (given: HttpInput, redactor: Redactor): HttpRequest => {
  const body = bodyOf(given);
  const type = body === null ? {} : { 'content-type': body.type };
  return {
    method: given.method ?? (body === null ? 'GET' : 'POST'),
    url: checkedUrl(given.url, pairsOf(given.query), redactor),
    headers: { 'user-agent': USER_AGENT, ...type, ...headersOf(given.headers) },
    body: body === null ? null : body.bytes,
    redirectsMax: given.follow_redirects ?? REDIRECTS_DEFAULT,
    answerMaxBytes: given.max_response_bytes ?? ANSWER_DEFAULT_BYTES,
  };
};

/** The time counts for everything together: names, redirects, and the whole of the answer. */
const withinTime = async (
  request: HttpRequest,
  rules: HttpRules,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<HttpAnswer> => {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), timeoutMs);
  try {
    return await sendRequest(request, rules, AbortSignal.any([signal, timeout.signal]));
  } catch (error) {
    if (signal.aborted) throw new StepError('RUN_ABORTED', 'aborted during the request');
    if (!timeout.signal.aborted) throw error;
    const message = `${request.method} ${shownUrl(request.url, rules.redactor)}: no complete answer within ${timeoutMs} ms (timeout_ms)`;
    throw new StepError('HTTP_TIMED_OUT', message, { timeoutMs });
  } finally {
    clearTimeout(timer);
  }
};

const isExpected = (status: number, expected: HttpInput['expect_status'] = ['2xx']): boolean =>
  expected.some((one) =>
    typeof one === 'number' ? one === status : one.startsWith(String(status).charAt(0)),
  );

const unexpected = (
  request: HttpRequest,
  answer: HttpAnswer,
  { contentType, redactor }: { readonly contentType: string; readonly redactor: Redactor },
): StepError => {
  const { status } = answer;
  const retryAfterMs = PASSING.has(status) ? retryAfterOf(answer.headers['retry-after']) : undefined;
  const begin = redactor.text(textOf({ ...answer, contentType })).slice(0, SHOWN_CHARS);
  const wait = retryAfterMs === undefined ? '' : `, and asks to wait for ${Math.ceil(retryAfterMs / 1000)} s`;
  return new StepError(
    PASSING.has(status) ? 'HTTP_SERVER_FAILED' : 'HTTP_STATUS_UNEXPECTED',
    `${request.method} ${shownUrl(answer.url, redactor)} answers ${status}${wait}${begin === '' ? '' : `: '${begin}'`}`,
    { status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  );
};

/** Seconds, or a date (RFC 9110, 10.2.3). */
const retryAfterOf = (value: unknown): number | undefined => {
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - Date.now());
};
