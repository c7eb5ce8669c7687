import type { ModelProfile, RunnerOptions } from '#libs/domain/gpu/profile.js';
import { ModelRunnerError } from '../model-runner-error.js';
import type {
  ChatMessage,
  ChatRequest,
  EmbedRequest,
  GenerateRequest,
  ModelRequest,
  SamplingOptions,
} from '../model-runner.js';

type Body = Readonly<Record<string, unknown>>;
export type WireRequest = {
  readonly path: '/api/generate' | '/api/chat' | '/api/embed';
  readonly body: Body;
};

/** Our name for each runner option and the server's. */
const RUNNER_OPTIONS: Readonly<Record<keyof RunnerOptions, string>> = {
  numCtx: 'num_ctx',
  numBatch: 'num_batch',
  numGpu: 'num_gpu',
  mainGpu: 'main_gpu',
  useMmap: 'use_mmap',
  numThread: 'num_thread',
};

/**
 * The runner options of the profile are part of every request, because the server reloads the model for a request
 * whose options differ from those it was loaded with.
 */
export const wireOptions = (profile: ModelProfile, sampling: SamplingOptions = {}): Body => {
  const reloading = Object.values(RUNNER_OPTIONS).filter((name) => name in sampling);
  if (reloading.length > 0) {
    throw refused(
      profile,
      `sampling option '${reloading.join("', '")}' — a runner option belongs to the profile`,
    );
  }
  const runner: Record<string, unknown> = {};
  for (const [ours, theirs] of Object.entries(RUNNER_OPTIONS)) {
    const value = profile.options[ours as keyof RunnerOptions];
    if (value !== undefined) runner[theirs] = value;
  }
  return { ...sampling, ...runner };
};

/** Ordinary runs leave out `keep_alive`: it would overwrite how long the model stays for everybody. */
export const runRequest = (request: ModelRequest): WireRequest => {
  switch (request.kind) {
    case 'generate':
      return { path: '/api/generate', body: generateBody(request) };
    case 'chat':
      return { path: '/api/chat', body: chatBody(request) };
    case 'embed':
      return { path: '/api/embed', body: embedBody(request) };
  }
};

/** An empty request with a `keep_alive` below zero: the server loads the model and keeps it until told otherwise. */
export const loadRequest = (profile: ModelProfile, onlyEmbeds: boolean): WireRequest => {
  const common = { model: profile.model, keep_alive: -1, options: wireOptions(profile) };
  return onlyEmbeds
    ? { path: '/api/embed', body: { ...common, input: [] } }
    : { path: '/api/generate', body: { ...common, stream: false } };
};

/** An empty request with `keep_alive` 0 unloads. Works for embedding models too: it comes before their refusal. */
export const unloadRequest = (model: string): WireRequest => ({
  path: '/api/generate',
  body: { model, keep_alive: 0, stream: false },
});

const generateBody = (request: GenerateRequest): Body => {
  if (request.prompt === '') throw refused(request.profile, `prompt '' — ${NOT_EMPTY}`);
  return {
    model: request.profile.model,
    prompt: request.prompt,
    stream: true,
    options: wireOptions(request.profile, request.sampling),
    ...given('system', request.system),
    ...given('suffix', request.suffix),
    ...given('images', request.images),
    ...given('format', request.format),
    ...given('think', request.think),
  };
};

const chatBody = (request: ChatRequest): Body => {
  if (request.messages.length === 0) throw refused(request.profile, `messages [] — ${NOT_EMPTY}`);
  return {
    model: request.profile.model,
    messages: request.messages.map(wireMessage),
    stream: true,
    options: wireOptions(request.profile, request.sampling),
    ...given('tools', request.tools),
    ...given('format', request.format),
    ...given('think', request.think),
  };
};

const embedBody = (request: EmbedRequest): Body => {
  if (request.input.length === 0) throw refused(request.profile, `input [] — ${NOT_EMPTY}`);
  return {
    model: request.profile.model,
    input: request.input,
    options: wireOptions(request.profile, request.sampling),
    ...given('dimensions', request.dimensions),
    ...given('truncate', request.truncate),
  };
};

const wireMessage = (message: ChatMessage): Body => ({
  role: message.role,
  content: message.content,
  ...given('images', message.images),
});

const NOT_EMPTY =
  'expected at least one entry or character: the server takes an empty request as the order to load';

const refused = (profile: ModelProfile, problem: string): ModelRunnerError =>
  new ModelRunnerError('MODEL_REQUEST_REFUSED', `${profile.model}: ${problem}`);

const given = (name: string, value: unknown): Body => (value === undefined ? {} : { [name]: value });
