import type { FoundPlugin } from '#libs/plugins/find-plugins.js';
import { runPlugin } from '#libs/plugins/run-plugin.js';
import { StepError } from '../step-error.js';
import { modelSlotOf } from './model-slot.js';
import type { StepContext, StepResult, StepRunner } from '../step-runner.js';
import type { WireRuns } from './wire-runs.js';

export type PluginStepOptions = {
  readonly found: ReadonlyMap<string, FoundPlugin>;
  readonly wire: WireRuns;
  readonly memoryMaxBytes: number;
  readonly timeoutMs: number;
  readonly outputMaxBytes: number;
};

/** Runs step types of others: in a process of its own where this executor has their module, else by a worker over the wire. */
export const pluginStep =
  (options: PluginStepOptions): StepRunner =>
  async (context) => {
    const { plugin } = context;
    if (plugin === undefined) throw new StepError('INTERNAL', 'This is no step type of others.');
    const found = options.found.get(plugin.stepType);
    try {
      return found ? await inProcess(found, context, options) : await options.wire.run(context, plugin);
    } catch (error) {
      // What a plugin does at its server cannot be seen from here: whether that is free is for the allocator to find out.
      if (context.signal.aborted && context.requirement.kind === 'model')
        throw new Error('stopped; whether its server is free was not seen', { cause: error });
      throw error;
    }
  };

const inProcess = async (
  found: FoundPlugin,
  context: StepContext,
  { memoryMaxBytes, timeoutMs, outputMaxBytes }: PluginStepOptions,
): Promise<StepResult> => {
  const { input, attempt, signal, progress } = context;
  const model = await modelSlotOf(context, found.checked.manifest.needs);
  const outcome = await runPlugin(
    found,
    { input, attempt, ...(model === undefined ? {} : { model }) },
    { memoryMaxBytes, timeoutMs, outputMaxBytes, signal, progress, log: (line) => progress(line) },
  );
  if (outcome.ok) return { output: outcome.output };
  throw new StepError(outcome.code, outcome.message, outcome.details);
};
