import { isCollection, isScalar, visit, type Document, type YAMLError } from 'yaml';
import { TEMPLATE_LIMITS } from './limits.js';

type Sentence = (text: string, at: number, said: string) => string;

const IN_QUOTES = "accepted: the whole text in quotes, such as 'Say: hello'";

const NOT_ALIGNED =
  'this is not indented like what it belongs to; accepted: the same number of spaces for all names of one object';

/** What the parser's errors mean to somebody who wrote the file, and what is accepted instead. */
const SENTENCES: Partial<Record<YAMLError['code'], Sentence>> = {
  TAB_AS_INDENT: () => 'a line is indented with a tab; accepted: spaces',
  BLOCK_AS_IMPLICIT_KEY: () =>
    `there is a second name with ':' in this line; ${IN_QUOTES}, or a line for each name`,
  MULTILINE_IMPLICIT_KEY: () =>
    "this goes on in the next line, which has a name of its own; accepted: ':' behind each name, and the same indentation for all names of one object",
  BAD_INDENT: (_text, _at, said) =>
    said.startsWith('Flow')
      ? `${said.startsWith('Flow map') ? 'an object' : 'a list'} in brackets is not closed; expected ${said.startsWith('Flow map') ? '}' : ']'} at its end`
      : NOT_ALIGNED,
  MISSING_CHAR: (_text, _at, said) =>
    said.includes('quote')
      ? 'a quote is not closed; expected another one at the end of the text'
      : said.includes('- indicator')
        ? NOT_ALIGNED
        : `${said}; accepted: 'name: value'`,
  BAD_SCALAR_START: (text, at) => `text cannot begin with ${text[at] ?? 'this'}; ${IN_QUOTES}`,
  NON_STRING_KEY: (text, at) =>
    text[at - 1] === '{' || text.slice(at, at + 2) === '{{'
      ? "an expression stands here without quotes; accepted: '{{ parameters.name }}' with them"
      : 'a name must be text; accepted: text, in quotes where it has brackets',
  UNEXPECTED_TOKEN: () => `something is left over behind the value; ${IN_QUOTES}, '' for a ' in it`,
  MULTIPLE_DOCS: () => 'a second document begins here; accepted: one template per file',
  TAG_RESOLVE_FAILED: () => 'tags with ! are not known; accepted: plain values, with ! in quotes',
  BAD_DQ_ESCAPE: () =>
    'this is no escape; accepted: \\n, \\t, \\", \\\\ and \\uXXXX, or the text in single quotes, where \\ stands for itself',
  BAD_DIRECTIVE: () => `a line cannot begin with %; ${IN_QUOTES}`,
};

/** Sentences about errors of the parser, each with its offset: one a line, because the others follow from the first. */
export const yamlSentences = (
  text: string,
  document: Document,
): readonly { readonly at: number; readonly message: string }[] => {
  const told = new Set<number>();
  return [...document.errors, ...document.warnings]
    .toSorted((a, b) => a.pos[0] - b.pos[0])
    .filter(({ pos: [at] }) => {
      const line = text.lastIndexOf('\n', at - 1);
      return !told.has(line) && told.add(line);
    })
    .slice(0, TEMPLATE_LIMITS.problems)
    .map(({ code, message, pos: [at] }) => ({
      at: beganAt(text, document, at, message),
      message: SENTENCES[code]?.(text, at, message) ?? `${message}; accepted: YAML 1.2`,
    }));
};

const beganAt = (text: string, document: Document, at: number, said: string): number => {
  if (/Missing closing|^Flow /.test(said)) return openedAt(text, document, at) ?? at;
  return text.slice(at - 1, at + 1) === '{{' ? at - 1 : at;
};

/** Where that begins which is found not to be closed at `end`: people look for its beginning. */
const openedAt = (text: string, document: Document, end: number): number | null => {
  let opened: number | null = null;
  visit(document, (_, node) => {
    const isBracketed = isCollection(node) && node.flow === true;
    const isQuoted = isScalar(node) && node.type?.startsWith('QUOTE_') === true;
    if (!isBracketed && !isQuoted) return;
    const [from = 0, to = 0] = node.range ?? [];
    const first = text[from];
    const isClosed = to - from > 1 && text[to - 1] === ({ '[': ']', '{': '}' }[first ?? ''] ?? first);
    if (from < end && !isClosed) opened = from;
  });
  return opened;
};
