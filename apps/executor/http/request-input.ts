import { StepError } from '../step-error.js';

type Scalar = string | number | boolean;
type Many = Scalar | readonly Scalar[];

/** The input of `http_request`, as its schema has checked it. */
export type HttpInput = {
  readonly method?: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, Scalar>>;
  readonly query?: Readonly<Record<string, Many>>;
  readonly json?: unknown;
  readonly text?: string;
  readonly form?: Readonly<Record<string, Many>>;
  readonly timeout_ms?: number;
  readonly max_response_bytes?: number;
  readonly follow_redirects?: number;
  readonly expect_status?: readonly (number | string)[];
  readonly parse?: 'auto' | 'json' | 'text' | 'base64';
};

/** What belongs to the connection and not to the request. */
const NOT_OURS =
  /^(host|connection|keep-alive|content-length|transfer-encoding|upgrade|te|trailer|expect|http2-settings|accept-encoding|proxy-.*)$/;

/** In lower case, so that none stands there twice. */
export const headersOf = (given: HttpInput['headers'] = {}): Record<string, string> => {
  const headers: Record<string, string> = {};
  for (const [givenName, value] of Object.entries(given)) {
    const name = givenName.toLowerCase();
    if (NOT_OURS.test(name))
      throw invalid(`headers.${name}`, 'the connection decides about it; leave it out');
    if (Object.hasOwn(headers, name)) throw invalid(`headers.${name}`, 'is given twice');
    // What a line break in it would do is the reason; the rest could not be sent.
    if (!/^[\t\u0020-\u007e\u00a1-\u00ff]*$/.test(String(value)))
      throw invalid(
        `headers.${name}`,
        'has a line break or a character that headers cannot have; accepted: printable Latin-1',
      );
    headers[name] = String(value);
  }
  return headers;
};

export const pairsOf = (given: Readonly<Record<string, Many>> = {}): readonly (readonly [string, string])[] =>
  Object.entries(given).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)] as const),
  );

export type Body = { readonly bytes: Buffer; readonly type: string } | null;

/** One of `json`, `text` and `form`; the schema has seen to it that there is no other. */
export const bodyOf = ({ json, text, form }: HttpInput): Body => {
  if (json !== undefined) return { bytes: Buffer.from(JSON.stringify(json)), type: 'application/json' };
  if (text !== undefined) return { bytes: Buffer.from(text), type: 'text/plain; charset=utf-8' };
  if (form === undefined) return null;
  const encoded = new URLSearchParams([...pairsOf(form)] as [string, string][]).toString();
  return { bytes: Buffer.from(encoded), type: 'application/x-www-form-urlencoded' };
};

const invalid = (place: string, what: string): StepError =>
  new StepError('STEP_INPUT_INVALID', `${place}: ${what}.`);
