import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { describeModule } from '#libs/plugins/find-plugins.js';
import { runPlugin, type PluginInput, type PluginOutcome } from '#libs/plugins/run-plugin.js';

export type TestRunOptions = Partial<Omit<PluginInput, 'input'>> & {
  /** The step of a module that has several. */
  readonly name?: string;
  readonly memoryMaxBytes?: number;
  readonly timeoutMs?: number;
  readonly outputMaxBytes?: number;
  readonly signal?: AbortSignal;
};

export type TestRun = {
  readonly outcome: PluginOutcome;
  readonly log: readonly string[];
  readonly progress: readonly string[];
};

/** Runs a step of a module file as an executor does: in a process of its own, under limits, its input and output checked; without any service. */
export const runStep = async (
  file: string,
  input: Readonly<Record<string, unknown>>,
  options: TestRunOptions = {},
): Promise<TestRun> => {
  const module = pathToFileURL(resolve(file)).href;
  const found = await describeModule(module);
  if (typeof found === 'string') throw new Error(`${file}: ${found}`);
  const { name = found[0]?.manifest.name, attempt = 1, model } = options;
  const checked = found.find(({ manifest }) => manifest.name === name);
  if (checked === undefined)
    throw new Error(`${file} has no step '${name}', but ${found.map((one) => one.manifest.name).join(', ')}`);
  const log: string[] = [];
  const progress: string[] = [];
  const outcome = await runPlugin(
    { checked, module },
    { input, attempt, ...(model === undefined ? {} : { model }) },
    {
      memoryMaxBytes: options.memoryMaxBytes ?? 256 * 1024 * 1024,
      timeoutMs: options.timeoutMs ?? 60_000,
      outputMaxBytes: options.outputMaxBytes ?? 512 * 1024,
      signal: options.signal ?? new AbortController().signal,
      log: (line) => log.push(line),
      progress: (message) => progress.push(message),
    },
  );
  return { outcome, log, progress };
};
