/**
 * A model profile: what must be equal for two requests to share one loaded model.
 *
 * Ollama reloads a model when any of these runner options differs between two requests, so the unit of
 * residency and of batching is the profile, never the model's name alone.
 */
export type ModelProfile = {
  /** Name as the server knows it, tag included: `llama3.2:3b`. */
  readonly model: string;
  readonly options: RunnerOptions;
};

/** Options that cause a reload when they change. Sampling options do not belong here. */
export type RunnerOptions = {
  /** Context window in tokens, per slot. Always explicit: a server's default depends on its free VRAM. */
  readonly numCtx: number;
  readonly numBatch?: number;
  /** Layers on the GPU; -1 or absent lets the server decide. */
  readonly numGpu?: number;
  readonly mainGpu?: number;
  readonly useMmap?: boolean;
  readonly numThread?: number;
};

/** Equal for two profiles exactly when they may share a loaded model. Stable over property order. */
export const profileKey = (profile: ModelProfile): string => {
  const options = profile.options as Readonly<Record<string, unknown>>;
  const parts = Object.keys(options)
    .filter((name) => options[name] !== undefined)
    .toSorted()
    .map((name) => `${name}=${String(options[name])}`);
  return `${withTag(profile.model)}|${parts.join(',')}`;
};

/** `llama3.2` and `llama3.2:latest` are one model. */
export const sameModel = (a: string, b: string): boolean => a === b || withTag(a) === withTag(b);
/** A colon behind the last slash: one before it belongs to a host's port. */
const withTag = (name: string): string =>
  name.includes(':', name.lastIndexOf('/') + 1) ? name : `${name}:latest`;
