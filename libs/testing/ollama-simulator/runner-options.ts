/**
 * Options of a request, as the real server reads them: a wrong type is refused with its words, an unknown name is
 * passed over, and the runner options decide whether a loaded model can be used.
 */
export type RunOptions = {
  readonly runner: Readonly<Record<RunnerOptionName, number | boolean | undefined>> & {
    readonly num_ctx: number;
  };
  readonly numPredict: number;
  readonly seed: number;
  readonly stop: readonly string[];
};

type RunnerOptionName = 'num_ctx' | 'num_batch' | 'num_gpu' | 'main_gpu' | 'use_mmap' | 'num_thread';

const KINDS: Readonly<Record<string, 'integer' | 'float32' | 'boolean' | 'array'>> = {
  num_ctx: 'integer',
  num_batch: 'integer',
  num_gpu: 'integer',
  main_gpu: 'integer',
  num_thread: 'integer',
  num_predict: 'integer',
  num_keep: 'integer',
  seed: 'integer',
  top_k: 'integer',
  repeat_last_n: 'integer',
  temperature: 'float32',
  top_p: 'float32',
  min_p: 'float32',
  typical_p: 'float32',
  repeat_penalty: 'float32',
  presence_penalty: 'float32',
  frequency_penalty: 'float32',
  use_mmap: 'boolean',
  stop: 'array',
};

const isOfKind = (kind: string, value: unknown): boolean => {
  if (kind === 'boolean') return typeof value === 'boolean';
  if (kind === 'array') return Array.isArray(value);
  return typeof value === 'number';
};

/** The smallest context that the real server gives a model. */
const CONTEXT_MIN = 4;
/** Default context of a machine with less than 23 GiB of VRAM (OLLAMA_CONTEXT_LENGTH unset). */
const CONTEXT_DEFAULT = 4_096;

export const parseOptions = (given: unknown): RunOptions | { readonly error: string } => {
  const options = (typeof given === 'object' && given !== null ? given : {}) as Readonly<
    Record<string, unknown>
  >;
  for (const [name, value] of Object.entries(options)) {
    const kind = KINDS[name];
    if (kind === undefined || value === null) continue;
    if (!isOfKind(kind, value)) return { error: `option "${name}" must be of type ${kind}` };
  }
  const whole = (name: string, fallback: number): number => {
    const value = options[name];
    return typeof value === 'number' ? Math.trunc(value) : fallback;
  };
  const stop = options['stop'];
  const useMmap = options['use_mmap'];
  return {
    runner: {
      num_ctx: Math.max(CONTEXT_MIN, whole('num_ctx', CONTEXT_DEFAULT)),
      num_batch: whole('num_batch', 512),
      num_gpu: whole('num_gpu', -1),
      main_gpu: whole('main_gpu', 0),
      use_mmap: typeof useMmap === 'boolean' ? useMmap : undefined,
      num_thread: whole('num_thread', 0),
    },
    numPredict: whole('num_predict', -1),
    seed: whole('seed', -1),
    stop: Array.isArray(stop) ? stop.filter((item): item is string => typeof item === 'string') : [],
  };
};

/** `num_gpu` below zero leaves the choice to the server, so whatever is loaded will do. */
export const needsReload = (loaded: RunOptions['runner'], wanted: RunOptions['runner']): boolean =>
  (Object.keys(wanted) as RunnerOptionName[]).some(
    (name) => loaded[name] !== wanted[name] && !(name === 'num_gpu' && Number(wanted.num_gpu) < 0),
  );
