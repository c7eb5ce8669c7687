import { TextDecoder } from 'node:util';
import { isNestedWithin } from '#libs/template/nesting.js';
import { StepError } from '../step-error.js';

export type AnswerBody = { readonly json: unknown } | { readonly text: string } | { readonly base64: string };

type Answered = { readonly body: Buffer; readonly truncated: boolean; readonly contentType: string };

/** Deeper JSON is an attack on whoever walks through it. */
const DEPTH_MAX = 100;

const JSON_TYPE = /^[^;]*[/+]json\b/i;
const TEXT_TYPE =
  /^(text\/|application\/(xml|javascript|x-www-form-urlencoded|yaml|x-yaml|x-ndjson|graphql|sql|toml)\b|[^;]*\+xml\b)/i;

/** `auto` goes by the content type, and takes for text what is JSON by its type and is not or was cut off. */
export const readAs = (parse: string, answered: Answered): AnswerBody => {
  const { body, contentType } = answered;
  switch (parse) {
    case 'json':
      return { json: jsonOf(answered) };
    case 'text':
      return { text: textOf(answered) };
    case 'base64':
      return { base64: body.toString('base64') };
    default:
      if (JSON_TYPE.test(contentType)) {
        try {
          return { json: jsonOf(answered) };
        } catch {
          return { text: textOf(answered) };
        }
      }
      if (contentType === '')
        return isText(answered) ? { text: textOf(answered) } : { base64: body.toString('base64') };
      return TEXT_TYPE.test(contentType) ? { text: textOf(answered) } : { base64: body.toString('base64') };
  }
};

const jsonOf = (answered: Answered): unknown => {
  const text = textOf(answered);
  if (answered.truncated) throw noJson('it was cut off; raise max_response_bytes');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw noJson(`it begins with '${text.slice(0, 100)}'`);
  }
  if (!isNestedWithin(value, DEPTH_MAX)) throw noJson(`it nests deeper than ${DEPTH_MAX} levels`);
  return value;
};

const noJson = (why: string): StepError =>
  new StepError('HTTP_ANSWER_INVALID', `The answer was to be JSON and is not: ${why}.`);

/** A character that was cut in two at the end is left out. */
export const textOf = ({ body, truncated, contentType }: Answered): string =>
  decoderFor(/charset="?([\w.:-]+)/i.exec(contentType)?.[1]).decode(body, { stream: truncated });

const isText = ({ body, truncated }: Answered): boolean => {
  try {
    return !new TextDecoder('utf-8', { fatal: true }).decode(body, { stream: truncated }).includes('\0');
  } catch {
    return false;
  }
};

const decoderFor = (charset = 'utf-8'): TextDecoder => {
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder();
  }
};
