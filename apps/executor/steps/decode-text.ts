import { StepError } from '../step-error.js';
import { quoted } from '../workspace/inside-path.js';

export type TextEncoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'latin-1';

export type Decoded = { readonly text: string; readonly encoding: TextEncoding };

/** Byte order marks, longest first. */
const MARKS: readonly (readonly [TextEncoding, readonly number[]])[] = [
  ['utf-8', [0xef, 0xbb, 0xbf]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

/** As the WHATWG names them; latin-1 is read as windows-1252, as browsers do. */
const LABELS: Readonly<Record<TextEncoding, string>> = {
  'utf-8': 'utf-8',
  'utf-16le': 'utf-16le',
  'utf-16be': 'utf-16be',
  'latin-1': 'windows-1252',
};

/**
 * Bytes as text: by the byte order mark, else as UTF-8 where they are, else as latin-1, in which every sequence is text. Throws for bytes
 * that are no text in the encoding asked for, and for binary data. Of bytes that were `cut` off, an incomplete last character is left out.
 */
export const decodeText = (bytes: Uint8Array, asked: TextEncoding | 'auto', cut: boolean): DecodeResult => {
  const marked = MARKS.find(([, mark]) => mark.every((byte, n) => bytes[n] === byte))?.[0];
  if (asked !== 'auto') return decodedAs(bytes, asked, cut);
  if (marked !== undefined) return decodedAs(bytes, marked, cut);
  if (bytes.includes(0)) return null;
  return decodedAs(bytes, 'utf-8', cut) ?? decodedAs(bytes, 'latin-1', cut);
};

/** Null: no text in that encoding. */
export type DecodeResult = Decoded | null;

const decodedAs = (bytes: Uint8Array, encoding: TextEncoding, cut: boolean): DecodeResult => {
  try {
    return {
      encoding,
      text: new TextDecoder(LABELS[encoding], { fatal: true }).decode(bytes, { stream: cut }),
    };
  } catch {
    return null;
  }
};

export const notText = (path: string, asked: string): StepError =>
  new StepError(
    'FILE_NOT_READABLE',
    `${quoted(path)} is no text${asked === 'auto' ? '' : ` in ${asked}`}; accepted: utf-8, utf-16 with a byte order mark, latin-1, or encoding: base64 for any bytes.`,
  );
