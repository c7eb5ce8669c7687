import { isCollection, isMap, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { TemplateProblem } from './compiled-template.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { pathText } from './schema-check.js';

export type Path = readonly (string | number)[];

/**
 * The parser's time grows with the square of the open brackets: 100,000 of them take a minute. A thousand levels are
 * refused before it sees them.
 */
const BRACKETS_OPEN_MAX = 1000;

/** The text of a template, or of another file: its value, and where in the text each part of it stands. */
export class YamlSource {
  readonly problems: TemplateProblem[] = [];
  readonly value: unknown = null;
  readonly #document: Document | null = null;
  readonly #lines = new LineCounter();

  constructor(
    text: string,
    private readonly file: string,
    /** What the whole of it is called in problems. */
    private readonly what = 'the template',
  ) {
    const bytes = Buffer.byteLength(text);
    if (bytes > TEMPLATE_LIMITS.fileBytes) {
      this.#at(0, '', `the text has ${bytes} bytes; accepted: up to ${TEMPLATE_LIMITS.fileBytes}`);
      return;
    }
    try {
      if (bracketsOpen(text) > BRACKETS_OPEN_MAX) throw new RangeError('brackets');
      // Its own check for repeated keys takes the square of their number; `#repeatedKeys` does not.
      const options = { lineCounter: this.#lines, stringKeys: true, prettyErrors: false, uniqueKeys: false };
      const document = parseDocument(text, options);
      this.#document = document;
      for (const { message, pos } of [...document.errors, ...document.warnings].slice(
        0,
        TEMPLATE_LIMITS.problems,
      )) {
        this.#at(pos[0], '', `not readable as YAML: ${message}`);
      }
      this.#repeatedKeys(document);
      if (this.problems.length === 0) this.value = document.toJS() as unknown;
    } catch (error) {
      const tooDeep = error instanceof RangeError;
      const reason = tooDeep
        ? 'it is nested too deeply'
        : error instanceof Error
          ? error.message
          : String(error);
      this.#at(0, '', `not readable as YAML: ${reason}`);
    }
  }

  #repeatedKeys(document: Document): void {
    visit(document, {
      Map: (_, map) => {
        const seen = new Set<unknown>();
        for (const { key } of map.items) {
          if (!isScalar(key)) continue;
          if (seen.has(key.value))
            this.#at(key.range?.[0] ?? 0, '', `'${String(key.value)}' is given twice; names are unique`);
          seen.add(key.value);
        }
      },
    });
  }

  /** Says that the value at `path` (or, with `key`, the name in front of it) is wrong. */
  problem(path: Path, message: string, place: 'value' | 'key' = 'value'): void {
    const text = pathText('', path);
    this.#at(this.#offset(path, place), text, `${text === '' ? this.what : text}: ${message}`);
  }

  #at(offset: number, path: string, message: string): void {
    if (this.problems.length >= TEMPLATE_LIMITS.problems) return;
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push({ file: this.file, line: Math.max(line, 1), column: Math.max(col, 1), path, message });
  }

  /** Of the value, of its name, or of the nearest thing around it that is there. */
  #offset(path: Path, place: 'value' | 'key'): number {
    for (let depth = path.length; depth >= 0; depth -= 1) {
      const exact = depth === path.length;
      const offset =
        exact && place === 'key' ? this.#keyOffset(path) : this.#valueOffset(path.slice(0, depth));
      if (offset !== undefined) return offset;
    }
    return 0;
  }

  #valueOffset(path: Path): number | undefined {
    const node = path.length === 0 ? this.#document?.contents : this.#document?.getIn(path, true);
    return (node as { range?: [number, number, number] | null } | null | undefined)?.range?.[0];
  }

  #keyOffset(path: Path): number | undefined {
    const parent =
      path.length === 1 ? this.#document?.contents : this.#document?.getIn(path.slice(0, -1), true);
    if (!isCollection(parent) || !isMap(parent)) return undefined;
    const name = path.at(-1);
    const pair = parent.items.find(({ key }) => (key as { value?: unknown } | null)?.value === name);
    return (pair?.key as { range?: [number, number, number] | null } | undefined)?.range?.[0];
  }
}

/** Brackets that are open at once at most, taken from the text as it stands: quotes and comments count, generously. */
const bracketsOpen = (text: string): number => {
  let open = 0;
  let most = 0;
  for (const { 0: bracket } of text.matchAll(/[[\]{}]/g)) {
    open = bracket === '[' || bracket === '{' ? open + 1 : Math.max(0, open - 1);
    most = Math.max(most, open);
  }
  return most;
};
