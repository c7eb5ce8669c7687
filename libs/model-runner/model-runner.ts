import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import type { ModelUsage } from '#libs/domain/usage.js';

/**
 * The port to one inference server. Every adapter passes `model-runner.conformance.ts`.
 *
 * Contract for all methods: a failure rejects with `ModelRunnerError`; an aborted signal rejects with
 * code `RUN_ABORTED`, and only after the connection is closed. No method has a limit on its total time; a run
 * has a watchdog on progress instead, because a long answer is not a dead server.
 */
export interface ModelRunner {
  /** Version and reachability. Rejects with `SERVER_UNREACHABLE` when nothing answers. */
  probe(signal?: AbortSignal): Promise<{ readonly version: string }>;
  listInstalled(signal?: AbortSignal): Promise<readonly InstalledModel[]>;
  /** What the server says is loaded. Eventually consistent: a model still loading is not listed. */
  listResident(signal?: AbortSignal): Promise<readonly ResidentModel[]>;
  /** Shape of a model, for the VRAM estimate. Rejects with `MODEL_NOT_FOUND`. */
  describe(model: string, signal?: AbortSignal): Promise<ModelDescription>;
  /** Downloads a model. A dropped pull resumes at the next one. */
  pull(model: string, onProgress: (progress: PullProgress) => void, signal?: AbortSignal): Promise<void>;
  /** Loads the profile to stay, on a connection of its own, and answers with what the server then reports. */
  load(profile: ModelProfile, signal?: AbortSignal): Promise<LoadedModel>;
  /** Asks for the unload and waits until the server no longer lists the model. Rejects with `UNLOAD_STUCK`. */
  unload(model: string, signal?: AbortSignal): Promise<void>;
  run(request: ModelRequest, hooks: RunHooks, signal?: AbortSignal): Promise<ModelAnswer>;
}

export type InstalledModel = {
  readonly model: string;
  readonly digest: string;
  readonly sizeBytes: number;
};

export type ResidentModel = {
  readonly model: string;
  readonly digest: string;
  /** All memory it occupies, CPU and GPU together. */
  readonly sizeBytes: number;
  readonly vramBytes: number;
  /** Context tokens over all slots, where the server reports it. */
  readonly contextLength?: number;
  /** RFC 3339, as the server says it. */
  readonly expiresAt?: string;
};

export type LoadedModel = ResidentModel & { readonly loadMs: number };

export type ModelDescription = {
  readonly model: string;
  readonly capabilities: readonly string[];
  readonly family?: string;
  readonly parameterSize?: string;
  readonly quantization?: string;
  /** Raw GGUF keys, as the server reports them. */
  readonly modelInfo: Readonly<Record<string, unknown>>;
};

export type PullProgress = {
  readonly status: string;
  readonly completedBytes?: number;
  readonly totalBytes?: number;
};

/** Sampling and length options, passed on by name as the server spells them (`temperature`, `num_predict`, `seed`...). */
export type SamplingOptions = Readonly<Record<string, number | string | boolean | readonly string[]>>;

type RequestBase = {
  readonly profile: ModelProfile;
  readonly sampling?: SamplingOptions;
  /** The caller watches over progress and allows for so much silence: the watchdog waits at least as long. */
  readonly noProgressMs?: number;
};

export type GenerateRequest = RequestBase & {
  readonly kind: 'generate';
  readonly prompt: string;
  readonly system?: string;
  readonly suffix?: string;
  /** Base64, without a data: prefix. */
  readonly images?: readonly string[];
  /** `json` or a JSON Schema. */
  readonly format?: 'json' | Readonly<Record<string, unknown>>;
  readonly think?: boolean | 'low' | 'medium' | 'high';
};

export type ChatMessage = {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly images?: readonly string[];
};

export type ChatRequest = RequestBase & {
  readonly kind: 'chat';
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  readonly format?: 'json' | Readonly<Record<string, unknown>>;
  readonly think?: boolean | 'low' | 'medium' | 'high';
};

export type EmbedRequest = RequestBase & {
  readonly kind: 'embed';
  readonly input: readonly string[];
  readonly dimensions?: number;
  readonly truncate?: boolean;
};

export type ModelRequest = GenerateRequest | ChatRequest | EmbedRequest;

export type RunHooks = {
  /** Called in order; text may be empty when only thinking grew. Must not throw. */
  readonly onToken?: (token: { readonly text: string; readonly thinking?: string }) => void;
  /** Called once when the request has been handed to the server. */
  readonly onStarted?: () => void;
};

export type ModelAnswer = {
  readonly text: string;
  readonly thinking?: string;
  readonly toolCalls?: readonly Readonly<Record<string, unknown>>[];
  /** One vector per input, for `embed`. */
  readonly embeddings?: readonly (readonly number[])[];
  readonly doneReason: 'stop' | 'length' | 'other';
  readonly usage: ModelUsage;
};
