import { watch } from 'chokidar';
import { realpath, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { childProblems, type TemplateText } from './check-children.js';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate, TemplateProblem } from './compiled-template.js';
import { TEMPLATE_LIMITS } from './limits.js';

/**
 * The templates of a folder, as they are now. A changed file is picked up while running; one that has a mistake keeps its
 * last good version serving and shows the mistake in `problems`. Looking one up never waits.
 */
export type TemplateFolder = {
  readonly get: (name: string) => CompiledTemplate | undefined;
  /** By name. */
  readonly list: () => readonly CompiledTemplate[];
  readonly problems: () => readonly TemplateProblem[];
  /** What is no mistake in the templates that are served, but hardly meant. */
  readonly warnings: () => readonly TemplateProblem[];
  readonly close: () => Promise<void>;
};

export type TemplateChange = {
  /** `name@version` of templates that are new or other than before. */
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly problems: readonly TemplateProblem[];
};

export type TemplateFolderOptions = {
  /** Called after each look at the folder that found something else than the one before. */
  readonly onChange?: (change: TemplateChange) => void;
};

/** An editor's save is several events; one look after the last of them is enough. */
const SETTLE_MS = 50;

/** Names of files that are read as templates. */
export const TEMPLATE_FILE = /\.(ya?ml|json)$/;

/** Rejects when the folder cannot be read; a bad file in it is only a problem. */
export const openTemplateFolder = async (
  directory: string,
  options: TemplateFolderOptions = {},
): Promise<TemplateFolder> => {
  const shelf = new Shelf(await folderPath(directory));
  // Watching begins before the first look, so that no change falls between them.
  const watcher = watch(shelf.directory, { depth: 0, ignoreInitial: true, followSymlinks: false });
  await new Promise<void>((resolve, reject) => watcher.once('ready', resolve).once('error', reject));
  await shelf.look();
  const looks = new Looks(async () => {
    const change = await shelf.look();
    if (change !== null) options.onChange?.(change);
  });
  watcher.on('all', () => looks.soon());
  // A folder that was removed and made again: what is served stays, the next event brings the rest.
  watcher.on('error', () => looks.soon());
  return {
    get: (name) => shelf.templates.get(name),
    list: () => [...shelf.templates.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    problems: () => shelf.problems,
    warnings: () => shelf.warnings,
    close: async () => {
      await watcher.close();
      await looks.stop();
    },
  };
};

const folderPath = async (directory: string): Promise<string> => {
  try {
    return await realpath(directory);
  } catch (error) {
    throw new Error(`templates folder '${directory}': ${String(error)}; expected a folder that can be read`, {
      cause: error,
    });
  }
};

/** Runs one look at a time, a little after it was asked for; asked again meanwhile, it runs once more. */
class Looks {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly look: () => Promise<void>) {}

  soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#running = this.#running.then(this.look);
    }, SETTLE_MS);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running;
  }
}

/** What is known of one file. `good` is its last version without a mistake. */
type File = {
  readonly text: string | null;
  readonly good: CompiledTemplate | null;
  readonly problems: readonly TemplateProblem[];
  readonly warnings: readonly TemplateProblem[];
};

class Shelf {
  templates: ReadonlyMap<string, CompiledTemplate> = new Map();
  problems: readonly TemplateProblem[] = [];
  #files: ReadonlyMap<string, File> = new Map();

  get warnings(): readonly TemplateProblem[] {
    return [...this.#files.values()].flatMap(({ warnings }) => warnings);
  }

  constructor(readonly directory: string) {}

  /** Reads the folder. Null when nothing is other than before. */
  async look(): Promise<TemplateChange | null> {
    const files = new Map<string, File>();
    const problems: TemplateProblem[] = [];
    const names = await this.#names(problems);
    if (names === null) return null;
    for (const name of names) files.set(name, await this.#file(name));
    const templates = new Map<string, CompiledTemplate>();
    for (const [name, { good, problems: found }] of files) {
      problems.push(...found);
      if (good === null) continue;
      if (!templates.has(good.name)) templates.set(good.name, good);
      else
        problems.push(
          this.#problem(
            name,
            'name',
            `'${good.name}' is the name of another file's template too; names are unique`,
          ),
        );
    }
    this.#keepApart(files, templates, problems);
    const before = { templates: this.templates, problems: this.problems };
    this.#files = files;
    this.templates = templates;
    this.problems = problems;
    return changeOf(before, { templates, problems });
  }

  /** A template whose steps submit what cannot be is not taken over: what was served of it serves on. */
  #keepApart(
    files: ReadonlyMap<string, File>,
    templates: Map<string, CompiledTemplate>,
    problems: TemplateProblem[],
  ): void {
    const texts = [...files].flatMap(([name, { good, text, problems: own }]): readonly TemplateText[] =>
      good === null || text === null || own.length > 0 || templates.get(good.name) !== good
        ? []
        : [{ template: good, text, file: this.#label(name) }],
    );
    for (const [file, found] of childProblems(texts, [...templates.values()])) {
      problems.push(...found);
      const name = texts.find((one) => one.file === file)?.template.name ?? '';
      const served = this.templates.get(name);
      if (served === undefined) templates.delete(name);
      else templates.set(name, served);
    }
  }

  /** In order, so that of two files with one template name the same one wins every time. Null: try again later. */
  async #names(problems: TemplateProblem[]): Promise<readonly string[] | null> {
    try {
      const names = (await readdir(this.directory)).filter((name) => TEMPLATE_FILE.test(name)).toSorted();
      const { files: max } = TEMPLATE_LIMITS;
      if (names.length > max)
        problems.push(
          this.#problem(
            names[max] ?? '',
            '',
            `there are ${names.length} files; accepted: up to ${max}, the rest is not read`,
          ),
        );
      return names.slice(0, max);
    } catch {
      return null;
    }
  }

  async #file(name: string): Promise<File> {
    const before = this.#files.get(name);
    const kept = before?.good ?? null;
    const read = await this.#read(name);
    if ('problem' in read) return { text: null, good: kept, problems: [read.problem], warnings: [] };
    if (before?.text === read.text) return before;
    const compiled = compileTemplate(read.text, this.#label(name));
    const { text } = read;
    return compiled.ok
      ? { text, good: compiled.template, problems: [], warnings: compiled.warnings }
      : { text, good: kept, problems: compiled.problems, warnings: [] };
  }

  async #read(name: string): Promise<{ readonly text: string } | { readonly problem: TemplateProblem }> {
    try {
      const path = await realpath(join(this.directory, name));
      if (!path.startsWith(`${this.directory}${sep}`))
        return {
          problem: this.#problem(
            name,
            '',
            `the link leads to '${path}'; accepted: files in the templates folder`,
          ),
        };
      const found = await stat(path);
      const { size } = found;
      if (!found.isFile()) return { problem: this.#problem(name, '', 'this is no file; accepted: files') };
      if (size > TEMPLATE_LIMITS.fileBytes)
        return {
          problem: this.#problem(
            name,
            '',
            `the file has ${size} bytes; accepted: up to ${TEMPLATE_LIMITS.fileBytes}`,
          ),
        };
      return { text: await readFile(path, 'utf8') };
    } catch (error) {
      return {
        problem: this.#problem(
          name,
          '',
          `cannot be read: ${String(error)}; expected a file that can be read`,
        ),
      };
    }
  }

  #label(name: string): string {
    return `${basename(this.directory)}/${name}`;
  }

  #problem(name: string, path: string, message: string): TemplateProblem {
    return { file: this.#label(name), line: 1, column: 1, path, message };
  }
}

type State = {
  readonly templates: ReadonlyMap<string, CompiledTemplate>;
  readonly problems: readonly TemplateProblem[];
};

const changeOf = (before: State, after: State): TemplateChange | null => {
  const changed = [...after.templates.values()].filter(
    ({ name, version }) => before.templates.get(name)?.version !== version,
  );
  const removed = [...before.templates.keys()].filter((name) => !after.templates.has(name));
  const sameProblems = JSON.stringify(before.problems) === JSON.stringify(after.problems);
  if (changed.length === 0 && removed.length === 0 && sameProblems) return null;
  return {
    changed: changed.map(({ name, version }) => `${name}@${version}`),
    removed,
    problems: after.problems,
  };
};
