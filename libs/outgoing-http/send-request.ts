import type { Readable } from 'node:stream';
import axios from 'axios';
import { NO_SECRETS, type Redactor } from '#libs/secrets/redactor.js';
import { OutgoingError } from './outgoing-error.js';
import { hostOf, portOf, redirectedUrl, shownUrl } from './checked-url.js';
import { GuardedConnection, type ConnectionRules } from './guarded-connection.js';

export type HttpRequest = {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | null;
  readonly redirectsMax: number;
  readonly answerMaxBytes: number;
};

export type HttpAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Decompressed; at most as many bytes as were asked for. */
  readonly body: Buffer;
  readonly truncated: boolean;
  /** Where the last redirect led. */
  readonly url: URL;
};

export type HttpRules = ConnectionRules & {
  /** Of the secrets that are in the request. */
  readonly redactor?: Redactor;
};

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Everything else may be a secret of the first server: `authorization`, `cookie`, `x-api-key` and what others call it. */
const KEPT_FOR_OTHERS: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'content-type',
  'user-agent',
]);

/** Sends, follows redirects, reads. Every hop has a connection of its own, which is checked anew. */
export const sendRequest = async (
  request: HttpRequest,
  rules: HttpRules,
  signal: AbortSignal,
): Promise<HttpAnswer> => {
  let hop = request;
  for (let followed = 0; ; followed += 1) {
    const answer = await oneHop(hop, rules, signal);
    const location = answer.headers['location'];
    if (!REDIRECTS.has(answer.status) || typeof location !== 'string' || request.redirectsMax === 0)
      return answer;
    const { redactor = NO_SECRETS } = rules;
    const url = redirectedUrl(location, hop.url, redactor);
    const to = shownUrl(url, redactor);
    if (followed >= request.redirectsMax) {
      const message = `${request.method} ${shownUrl(request.url, redactor)}: more than ${request.redirectsMax} redirects, the last one to ${to}.`;
      throw new OutgoingError('HTTP_ANSWER_INVALID', message, { redirects: followed + 1 });
    }
    const next = redirected(hop, answer.status, url);
    if (!redactor.isIdle && next.body !== null && url.origin !== hop.url.origin)
      throw new OutgoingError(
        'HTTP_ANSWER_INVALID',
        `${request.method} ${shownUrl(request.url, redactor)}: the redirect to ${to} would take the body there, which may hold a secret of this step.`,
      );
    hop = next;
  }
};

/** As browsers do it: 303 asks with GET, and so do 301 and 302 after a POST; 307 and 308 send the same once more. */
const redirected = (from: HttpRequest, status: number, url: URL): HttpRequest => {
  const asksAnew = (status === 303 && from.method !== 'HEAD') || (status < 303 && from.method === 'POST');
  const isOther = url.origin !== from.url.origin;
  const headers = Object.entries(from.headers).filter(
    ([name]) => (!isOther || KEPT_FOR_OTHERS.has(name)) && !(asksAnew && name === 'content-type'),
  );
  return {
    ...from,
    url,
    headers: Object.fromEntries(headers),
    ...(asksAnew ? { method: 'GET', body: null } : {}),
  };
};

const oneHop = async (request: HttpRequest, rules: HttpRules, signal: AbortSignal): Promise<HttpAnswer> => {
  const { url } = request;
  const target = { host: hostOf(url), port: portOf(url), isSecure: url.protocol === 'https:' };
  const connection = new GuardedConnection(target, rules);
  try {
    if (connection.refused) throw connection.refused;
    const { status, headers, data } = await axios.request<Readable>(axiosConfig(request, connection, signal));
    const plain = plainHeaders(headers);
    // The body of a redirect is a page for people without redirects.
    const isOver = REDIRECTS.has(status) && request.redirectsMax > 0 && plain['location'] !== undefined;
    if (isOver) data.destroy();
    const { body, truncated } = isOver
      ? NOTHING
      : await readBody(data, request.answerMaxBytes, rules.redactor ?? NO_SECRETS, signal);
    return { status, headers: plain, body, truncated, url };
  } catch (error) {
    throw connection.refused ?? failureOf(request, error, rules.redactor ?? NO_SECRETS);
  } finally {
    connection.close();
  }
};

const axiosConfig = (request: HttpRequest, { agent }: GuardedConnection, signal: AbortSignal) => ({
  method: request.method,
  url: request.url.href,
  headers: { accept: '*/*', ...request.headers },
  ...(request.body === null ? {} : { data: request.body }),
  responseType: 'stream' as const,
  httpAgent: agent,
  httpsAgent: agent,
  // A proxy of the environment would connect where it likes.
  proxy: false as const,
  // Followed here, because each hop has to be checked.
  maxRedirects: 0,
  maxBodyLength: Infinity,
  signal,
  validateStatus: () => true,
});

const NOTHING = { body: Buffer.alloc(0), truncated: false };

/** Counts what comes out of the decompression, so that a small answer cannot become a large one. Secrets go before it is cut. */
const readBody = async (
  data: Readable,
  maxBytes: number,
  redactor: Redactor,
  signal: AbortSignal,
): Promise<{ readonly body: Buffer; readonly truncated: boolean }> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  const stop = (): void => void data.destroy(new Error('aborted'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) throw new Error('aborted');
    const clean = redactor.bytes();
    const keep = (chunk: Buffer): boolean => {
      parts.push(chunk.subarray(0, maxBytes - bytes));
      bytes += chunk.length;
      return bytes <= maxBytes;
    };
    for await (const chunk of data)
      if (!keep(clean.push(chunk as Buffer))) return { body: Buffer.concat(parts), truncated: true };
    if (!keep(clean.end())) return { body: Buffer.concat(parts), truncated: true };
    return { body: Buffer.concat(parts), truncated: false };
  } finally {
    signal.removeEventListener('abort', stop);
    data.destroy();
  }
};

/** Node holds all of them to 16 KiB and 2000 lines; the one that may come more than once stays a list. */
const plainHeaders = (headers: object): HttpAnswer['headers'] =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.map(String) : String(value),
    ]),
  );

const failureOf = (request: HttpRequest, error: unknown, redactor: Redactor): OutgoingError => {
  if (error instanceof OutgoingError) return error;
  const said = error instanceof Error ? error.message : String(error);
  const code = (error as { readonly code?: unknown }).code;
  const message = `${request.method} ${shownUrl(request.url, redactor)}: ${said === '' ? String(code) : said}`;
  return new OutgoingError('HTTP_UNREACHABLE', message, typeof code === 'string' ? { cause: code } : {});
};
