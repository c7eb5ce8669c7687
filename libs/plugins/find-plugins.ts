import { readdir, realpath } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PLUGIN_LIMITS } from '#libs/contracts/plugin-wire.js';
import { checkManifest, type CheckedManifest } from './check-manifest.js';
import { runProcess } from './plugin-process.js';

/** A step type that this process can run, and the module that it is in. */
export type FoundPlugin = { readonly checked: CheckedManifest; readonly module: string };

export type FoundPlugins = {
  readonly plugins: ReadonlyMap<string, FoundPlugin>;
  /** What cannot be used, each with its place. */
  readonly problems: readonly string[];
};

export type PluginPlaces = {
  readonly folder: string | undefined;
  /** Names of npm packages, as found from the working folder. */
  readonly packages: readonly string[];
};

const FILE = /^[^.].*\.m?js$/;
const FILES_MAX = 200;
/** A module says what it is when it is imported; one that does more then is not waited for. */
const DESCRIBE_LIMITS = { memoryMaxBytes: 128 * 1024 * 1024, timeoutMs: 10_000 } as const;

/** Looks once; each module is imported in a process of its own, so one that breaks is only a problem. */
export const findPlugins = async ({ folder, packages }: PluginPlaces): Promise<FoundPlugins> => {
  const plugins = new Map<string, FoundPlugin>();
  const problems: string[] = [];
  const take = async (place: string, module: string): Promise<void> => {
    const found = await describeModule(module);
    if (typeof found === 'string') return void problems.push(`${place}: ${found}`);
    for (const checked of found) {
      const { name } = checked.manifest;
      const other = plugins.get(name);
      if (other) problems.push(`${place}: '${name}' is a step of ${other.module} already; names are unique`);
      else plugins.set(name, { checked, module });
    }
  };
  for (const file of folder === undefined ? [] : await filesOf(folder, problems))
    await take(file, pathToFileURL(await realpath(file)).href);
  const require = createRequire(join(process.cwd(), 'package.json'));
  for (const name of packages) {
    const module = resolved(require, name);
    if (module === null)
      problems.push(`package '${name}' cannot be found from ${process.cwd()}; install it there`);
    else await take(name, pathToFileURL(module).href);
  }
  return { plugins, problems };
};

/** The checked manifests of a module, or what is wrong with it. */
export const describeModule = async (module: string): Promise<readonly CheckedManifest[] | string> => {
  const end = await runProcess({
    ...DESCRIBE_LIMITS,
    data: { kind: 'describe', module },
    signal: new AbortController().signal,
    log: () => undefined,
    progress: () => undefined,
  });
  if (end.kind !== 'described')
    return 'message' in end ? end.message : `it is ${end.kind} when it is imported`;
  const described = end.value as readonly unknown[];
  if (JSON.stringify(described).length > PLUGIN_LIMITS.helloBytes)
    return `its manifests are longer than ${PLUGIN_LIMITS.helloBytes} characters`;
  const all = described.map(checkManifest);
  const wrong = all.find((check) => !check.ok);
  if (wrong) return wrong.error;
  return all.flatMap((check) => (check.ok ? [check.checked] : []));
};

const filesOf = async (folder: string, problems: string[]): Promise<readonly string[]> => {
  try {
    const names = (await readdir(folder)).filter((name) => FILE.test(name)).toSorted();
    if (names.length > FILES_MAX)
      problems.push(`${folder}: there are ${names.length} files; accepted: up to ${FILES_MAX}`);
    return names.slice(0, FILES_MAX).map((name) => resolve(folder, name));
  } catch (error) {
    problems.push(`plugins folder '${folder}' cannot be read: ${String(error)}`);
    return [];
  }
};

const resolved = (require: NodeJS.Require, name: string): string | null => {
  try {
    return require.resolve(name);
  } catch {
    return null;
  }
};
