import { PLUGIN_LIMITS } from '#libs/contracts/plugin-wire.js';
import type { ErrorCode } from '#libs/domain/errors.js';
import type { FoundPlugin } from './find-plugins.js';
import type { PluginInput, PluginOutcome } from './plugin-outcome.js';
import { runProcess, type ProcessEnd, type ProcessLimits } from './plugin-process.js';

export type PluginRunOptions = ProcessLimits & {
  readonly outputMaxBytes: number;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  readonly progress: (message: string, completed?: number, total?: number) => void;
};

/** Runs one step of a module in a process of its own: checks its input before and its output behind it. Never rejects. */
export const runPlugin = async (
  { checked, module }: FoundPlugin,
  given: PluginInput,
  options: PluginRunOptions,
): Promise<PluginOutcome> => {
  const { name } = checked.manifest;
  const wrong = checked.inputProblem(given.input);
  if (wrong !== null) return refused('STEP_INPUT_INVALID', wrong);
  const { outputMaxBytes, ...rest } = options;
  const messagesMax = PLUGIN_LIMITS.messagesPerRun;
  const data = { kind: 'run', module, name, outputMaxBytes, messagesMax, context: given };
  const end = await runProcess({ ...rest, data });
  if (end.kind !== 'completed') return failureOf(end, name, options);
  const problem = checked.outputProblem(end.value);
  return problem === null ? { ok: true, output: end.value } : refused('PLUGIN_OUTPUT_INVALID', problem);
};

const refused = (
  code: ErrorCode,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): PluginOutcome => ({ ok: false, code, message, ...(details === undefined ? {} : { details }) });

const failureOf = (
  end: ProcessEnd,
  name: string,
  { memoryMaxBytes, timeoutMs, outputMaxBytes }: PluginRunOptions,
): PluginOutcome => {
  switch (end.kind) {
    case 'failed':
      return refused(end.retry ? 'PLUGIN_FAILED' : 'PLUGIN_REFUSED', end.message);
    case 'crashed':
      return refused('PLUGIN_LOST', `The plugin '${name}' crashed: ${end.message}`);
    case 'out-of-memory':
      return refused(
        'PLUGIN_OVER_LIMIT',
        `The plugin '${name}' needs more memory than the ${memoryMaxBytes} bytes that it may have (ORCHESTRA_PLUGIN_MEMORY_MAX_BYTES).`,
        { memoryMaxBytes },
      );
    case 'timed-out':
      return refused(
        'STEP_TIMED_OUT',
        `The plugin '${name}' took longer than ${timeoutMs} ms (ORCHESTRA_PLUGIN_TIMEOUT_MS).`,
        { limit: 'timeoutMs', limitMs: timeoutMs, confirmed: true },
      );
    case 'too-large':
      return refused(
        'OUTPUT_TOO_LARGE',
        `The output has ${end.bytes} bytes; ${outputMaxBytes} are allowed (ORCHESTRA_OUTPUT_MAX_BYTES).`,
        { bytes: end.bytes, maxBytes: outputMaxBytes },
      );
    case 'unserialisable':
      return refused('PLUGIN_OUTPUT_INVALID', `output: it cannot be written as JSON: ${end.message}`);
    case 'aborted':
      return refused('RUN_ABORTED', 'aborted while the plugin ran');
    default:
      return refused('INTERNAL', `The plugin '${name}' was described where it was to run.`);
  }
};
