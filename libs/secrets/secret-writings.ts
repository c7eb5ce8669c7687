import { SECRET_MIN_CHARS } from './secret-value.js';

/**
 * Every way of writing a value that programs and servers use without meaning to hide it: as it is, line by line, in JSON, in URLs and
 * forms, in HTML, in base64 at any offset (as in `Basic base64(user:token)`), in hexadecimal.
 */
export const writingsOf = (value: string): readonly string[] => {
  const found = new Set<string>([
    value,
    ...linesOf(value),
    ...jsonWritings(value),
    ...urlWritings(value),
    ...htmlWritings(value),
    ...base64Writings(Buffer.from(value)),
    ...hexWritings(Buffer.from(value)),
    // UTF-8 that is taken for Latin-1, as in headers.
    Buffer.from(value).toString('latin1'),
  ]);
  return [...found].filter((writing) => writing.length >= SECRET_MIN_CHARS);
};

/** Keys and certificates are shown line by line; their first and last lines are no secret. */
const linesOf = (value: string): readonly string[] =>
  value.includes('\n')
    ? value
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => !line.startsWith('-----'))
    : [];

const inner = (text: string): string => JSON.stringify(text).slice(1, -1);

const jsonWritings = (value: string): readonly string[] => {
  const once = inner(value);
  const ascii = once.replace(
    // oxlint-disable-next-line no-control-regex -- all that is not ASCII
    /[^\u0000-\u007f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return [once, ascii, once.replaceAll('/', '\\/'), inner(once)];
};

const urlWritings = (value: string): readonly string[] => {
  const component = encodeURIComponent(value.toWellFormed());
  const strict = component.replace(
    /[!'()*~]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const form = new URLSearchParams([['', value]]).toString().slice(1);
  const url = new URL('http://h/');
  url.pathname = `/${value}`;
  url.search = `?${value}`;
  const upper = [
    component,
    strict,
    form,
    encodeURI(value.toWellFormed()),
    url.pathname.slice(1),
    url.search.slice(1),
  ];
  return upper.flatMap((one) => [one, one.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]);
};

const htmlWritings = (value: string): readonly string[] => {
  const tags = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const quoted = tags.replaceAll('"', '&quot;');
  return [tags, quoted, quoted.replaceAll("'", '&#39;'), quoted.replaceAll("'", '&#x27;')];
};

/** Widths at which `base64` and `openssl` break lines. */
const LINE_WIDTHS = [76, 64];

/** For each offset in a group of three bytes, the characters that the value alone decides. */
const base64Writings = (bytes: Buffer): readonly string[] =>
  [0, 1, 2].flatMap((offset) => {
    const all = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const own = all.slice(Math.ceil((8 * offset) / 6), Math.floor((8 * (offset + bytes.length)) / 6));
    const broken =
      offset === 0
        ? LINE_WIDTHS.filter((width) => own.length > width).map((width) =>
            own.replace(new RegExp(`.{${width}}(?=.)`, 'g'), '$&\n'),
          )
        : [];
    return [own, own.replaceAll('+', '-').replaceAll('/', '_'), ...broken];
  });

const hexWritings = (bytes: Buffer): readonly string[] => {
  const hex = bytes.toString('hex');
  return [hex, hex.toUpperCase()];
};
