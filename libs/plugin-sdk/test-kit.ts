import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { describeModule } from '#libs/plugins/find-plugins.js';
import type { PluginInput, PluginOutcome } from '#libs/plugins/plugin-outcome.js';
import { runPlugin } from '#libs/plugins/run-plugin.js';

/** What an executor would give; `attempt` and `model` are handed to the step as they are. */
export type TestRunOptions = Partial<Omit<PluginInput, 'input'>> & {
  /** The step of a module that has several. */
  readonly name?: string;
  readonly memoryMaxBytes?: number;
  readonly timeoutMs?: number;
  readonly outputMaxBytes?: number;
  /** Aborts the step, as a cancel of its task does. */
  readonly signal?: AbortSignal;
};

export type TestProgress = {
  readonly message: string;
  readonly completed?: number;
  readonly total?: number;
};

export type TestRun = {
  readonly outcome: PluginOutcome;
  /** What it said by `log`, and lines that it wrote to stdout and stderr. */
  readonly log: readonly string[];
  readonly progress: readonly TestProgress[];
};

/**
 * Runs a step of a module (a path, or a URL such as `new URL('./reverse.mjs', import.meta.url)`) as an executor does: in a process of its own,
 * under limits, its input and output checked; without any service. Rejects where the file has no such step.
 */
export const runStep = async (
  file: string | URL,
  input: Readonly<Record<string, unknown>>,
  options: TestRunOptions = {},
): Promise<TestRun> => {
  const module = addressOf(file);
  const found = await describeModule(module);
  if (typeof found === 'string') throw new Error(`${String(file)}: ${found}`);
  const { name = found[0]?.manifest.name, attempt = 1, model } = options;
  const checked = found.find(({ manifest }) => manifest.name === name);
  if (checked === undefined)
    throw new Error(
      `${String(file)} has no step '${name}', but ${found.map((one) => one.manifest.name).join(', ')}`,
    );
  const log: string[] = [];
  const progress: TestProgress[] = [];
  const outcome = await runPlugin(
    { checked, module },
    { input, attempt, ...(model === undefined ? {} : { model }) },
    {
      memoryMaxBytes: options.memoryMaxBytes ?? 256 * 1024 * 1024,
      timeoutMs: options.timeoutMs ?? 60_000,
      outputMaxBytes: options.outputMaxBytes ?? 512 * 1024,
      signal: options.signal ?? new AbortController().signal,
      log: (line) => log.push(line),
      progress: (message, completed, total) =>
        progress.push({
          message,
          ...(completed === undefined ? {} : { completed }),
          ...(total === undefined ? {} : { total }),
        }),
    },
  );
  return { outcome, log, progress };
};

const addressOf = (file: string | URL): string =>
  typeof file === 'string' && !file.startsWith('file:') ? pathToFileURL(resolve(file)).href : String(file);
