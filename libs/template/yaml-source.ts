import {
  isAlias,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
} from 'yaml';
import type { TemplateProblem } from './compiled-template.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { scalarOffset } from './scalar-offset.js';
import { pathText } from './schema-check.js';
import { yamlSentences } from './yaml-sentences.js';

export type Path = readonly (string | number)[];

/**
 * The parser's time grows with the square of the open brackets: 100,000 of them take a minute. A thousand levels are
 * refused before it sees them.
 */
const BRACKETS_OPEN_MAX = 1000;

/** Where it stands: the value at a path, the name in front of it, or (from 0) a character of the text that it is. */
type Place = 'value' | 'key' | number;

/** The text of a template, or of another file: its value, and where in the text each part of it stands. */
export class YamlSource {
  readonly problems: TemplateProblem[] = [];
  /** What is no mistake, but hardly meant. */
  readonly warnings: TemplateProblem[] = [];
  readonly value: unknown = null;
  readonly #document: Document | null = null;
  readonly #lines = new LineCounter();

  constructor(
    private readonly text: string,
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
      const said = yamlSentences(text, document);
      for (const { at, message } of said) this.#at(at, '', `not readable as YAML: ${message}`);
      this.#repeatedKeys(document);
      if (this.problems.length === 0) this.value = document.toJS() as unknown;
    } catch (error) {
      const { at, reason } = this.#unreadable(error);
      this.#at(at, '', `not readable as YAML: ${reason}`);
    }
  }

  #unreadable(error: unknown): { readonly at: number; readonly reason: string } {
    if (error instanceof RangeError)
      return {
        at: 0,
        reason: `it is nested too deeply; accepted: up to ${TEMPLATE_LIMITS.depth} levels of objects and lists`,
      };
    const message = error instanceof Error ? error.message : String(error);
    const alias = aliasIn(this.#document, /alias .*: (\S+)$/.exec(message)?.[1]);
    const accepted = message.startsWith('Unresolved')
      ? 'an anchor (&name) further up, or text that begins with * in quotes'
      : 'values written out, or few aliases';
    return { at: alias?.range?.[0] ?? 0, reason: `${message}; accepted: ${accepted}` };
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

  /** Nothing more is told; whoever looks for further mistakes may stop. */
  get isFull(): boolean {
    return this.problems.length >= TEMPLATE_LIMITS.problems;
  }

  /** Says that the value at `path` (or, with `key`, the name in front of it) is wrong. */
  problem(path: Path, message: string, place: Place = 'value'): void {
    this.#say(path, message, place, this.problems);
  }

  /** Says that it was hardly meant so; the template is right all the same. */
  warning(path: Path, message: string, place: Place = 'value'): void {
    this.#say(path, message, place, this.warnings);
  }

  #say(path: Path, message: string, place: Place, list: TemplateProblem[]): void {
    const text = pathText('', path);
    this.#at(this.#offset(path, place), text, `${text === '' ? this.what : text}: ${message}`, list);
  }

  #at(offset: number, path: string, message: string, list: TemplateProblem[] = this.problems): void {
    if (list.length >= TEMPLATE_LIMITS.problems) return;
    const { line, col } = this.#lines.linePos(offset);
    list.push({ file: this.file, line: Math.max(line, 1), column: Math.max(col, 1), path, message });
  }

  /** Of the value, of its name, or of the nearest thing around it that is there. */
  #offset(path: Path, place: Place): number {
    const inside = typeof place === 'number' ? this.#insideOffset(path, place) : undefined;
    if (inside !== undefined) return inside;
    for (let depth = path.length; depth >= 0; depth -= 1) {
      const exact = depth === path.length;
      const offset =
        exact && place === 'key' ? this.#keyOffset(path) : this.#valueOffset(path.slice(0, depth));
      if (offset !== undefined) return offset;
    }
    return 0;
  }

  #insideOffset(path: Path, at: number): number | undefined {
    const node = this.#node(path);
    return isScalar(node) ? scalarOffset(this.text, node, at) : undefined;
  }

  #node(path: Path): unknown {
    return path.length === 0 ? this.#document?.contents : this.#document?.getIn(path, true);
  }

  #valueOffset(path: Path): number | undefined {
    const node = this.#node(path);
    return (node as { range?: [number, number, number] | null } | null | undefined)?.range?.[0];
  }

  #keyOffset(path: Path): number | undefined {
    const parent = this.#node(path.slice(0, -1));
    if (!isCollection(parent) || !isMap(parent)) return undefined;
    const name = path.at(-1);
    const pair = parent.items.find(({ key }) => (key as { value?: unknown } | null)?.value === name);
    return (pair?.key as { range?: [number, number, number] | null } | undefined)?.range?.[0];
  }
}

/** The first alias in a document, of that name where one is given. */
const aliasIn = (document: Document | null, name: string | undefined): Node | null => {
  let found: Node | null = null;
  if (document !== null)
    visit(document, (_, node) => {
      if (!isAlias(node) || (name !== undefined && node.source !== name)) return undefined;
      found = node;
      return visit.BREAK;
    });
  return found;
};

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
