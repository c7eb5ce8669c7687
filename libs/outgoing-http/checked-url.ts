import { NO_SECRETS, type Redactor } from '#libs/secrets/redactor.js';
import { OutgoingError } from './outgoing-error.js';

/** Longer ones are data, and belong into the body. */
const URL_MAX_CHARS = 8_192;

const ACCEPTED =
  'http://host/path or https://host/path, without a user name and without spaces or control characters';

/**
 * The URL of a request, read as strictly as possible: what the standard would mend in silence (tabs, backslashes, missing
 * slashes) is how a URL means one thing to who checks it and another to who uses it.
 */
export const checkedUrl = (
  text: string,
  query: readonly (readonly [string, string])[] = [],
  redactor: Redactor = NO_SECRETS,
): URL => {
  const refused = (why: string): OutgoingError => refusal(redactor.text(text), why);
  if (text.length > URL_MAX_CHARS)
    throw refused(`it has ${text.length} characters, of ${URL_MAX_CHARS} at most`);
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\u0000-\u0020\u007f-\u00a0\u2028\u2029\ufeff]/.test(text))
    throw refused('it has a space or a control character');
  if (text.includes('\\')) throw refused('it has a backslash');
  if (!/^https?:\/\/[^/?#]/i.test(text)) throw refused('it does not begin with http:// or https://');
  const url = parsed(text, undefined, redactor);
  for (const [name, value] of query) url.searchParams.append(name, value);
  if (url.href.length > URL_MAX_CHARS)
    throw refused(`with its query it has more than ${URL_MAX_CHARS} characters`);
  return url;
};

/** Where a redirect leads. From https it never leads to http: what was to stay secret would not. */
export const redirectedUrl = (location: string, from: URL, redactor: Redactor = NO_SECRETS): URL => {
  const refused = (why: string): OutgoingError => refusal(redactor.text(location), why);
  if (location.length > URL_MAX_CHARS) throw refused('the redirect is too long');
  const url = parsed(location, from, redactor);
  if (!/^https?:$/.test(url.protocol)) throw refused('the redirect leads to another kind of address');
  if (from.protocol === 'https:' && url.protocol === 'http:')
    throw refused('the redirect leads from https to http');
  return url;
};

/** Without what could be secret in it. */
export const shownUrl = (url: URL, redactor: Redactor = NO_SECRETS): string =>
  redactor.text(`${url.origin}${url.pathname}`).slice(0, 300);

/** The host as sockets know it. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');

export const portOf = (url: URL): number =>
  url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);

const parsed = (text: string, base: URL | undefined, redactor: Redactor): URL => {
  if (!URL.canParse(text, base?.href)) throw refusal(redactor.text(text), 'it is not a URL');
  const url = new URL(text, base?.href);
  if (url.username !== '' || url.password !== '' || /^[^/?#]*\/\/[^/?#]*@/.test(text))
    throw refusal(
      redactor.text(text.replace(/\/\/[^/?#]*@/, '//…@')),
      'it has a user name or a password; send them in the header authorization',
    );
  url.hash = '';
  return url;
};

const refusal = (text: string, why: string): OutgoingError =>
  new OutgoingError('HTTP_ADDRESS_REFUSED', `url '${text.slice(0, 200)}': ${why}; accepted: ${ACCEPTED}.`);
