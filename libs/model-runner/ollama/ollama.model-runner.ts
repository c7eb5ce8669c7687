import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import { ModelRunnerError } from '../model-runner-error.js';
import type {
  InstalledModel,
  LoadedModel,
  ModelAnswer,
  ModelDescription,
  ModelRequest,
  ModelRunner,
  PullProgress,
  ResidentModel,
  RunHooks,
} from '../model-runner.js';
import { abortable, closeOnly } from './abortable.js';
import { ask, askResident, longCall, readObject, readParts } from './ollama-calls.js';
import { errorText } from './ollama-errors.js';
import { type OllamaOptions, type OllamaSettings, ollamaSettings } from './ollama-options.js';
import { loadRequest, unloadRequest } from './ollama-requests.js';
import { OllamaRuns } from './ollama-run.js';
import {
  readDescription,
  readInstalled,
  readPullProgress,
  readVersion,
  sameModel,
  text,
} from './ollama-wire.js';
import { waitUntil } from './wait-until.js';

/**
 * One Ollama server behind the port, by its native API.
 *
 * The server is an executor here and never decides: every request names all runner options, so that it has no reason
 * to reload; only `load` and `unload` say how long a model stays; each request has a connection of its own, so that
 * closing it stops exactly that request.
 */
export class OllamaModelRunner implements ModelRunner {
  readonly #settings: OllamaSettings;
  readonly #runs: OllamaRuns;

  constructor(options: OllamaOptions) {
    this.#settings = ollamaSettings(options);
    this.#runs = new OllamaRuns(this.#settings);
  }

  async probe(signal?: AbortSignal): Promise<{ readonly version: string }> {
    return readVersion(
      'GET /api/version',
      await ask(this.#settings, 'GET', '/api/version', undefined, signal),
    );
  }

  async listInstalled(signal?: AbortSignal): Promise<readonly InstalledModel[]> {
    return readInstalled('GET /api/tags', await ask(this.#settings, 'GET', '/api/tags', undefined, signal));
  }

  listResident(signal?: AbortSignal): Promise<readonly ResidentModel[]> {
    return askResident(this.#settings, signal);
  }

  async describe(model: string, signal?: AbortSignal): Promise<ModelDescription> {
    return readDescription(model, await ask(this.#settings, 'POST', '/api/show', { model }, signal));
  }

  async pull(
    model: string,
    onProgress: (progress: PullProgress) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const exchange = longCall(this.#settings, '/api/pull', { model, stream: true });
    const work = async (): Promise<void> => {
      let status = '';
      for await (const part of readParts(exchange, this.#settings)) {
        const failed = text(part, 'error');
        if (failed !== undefined) throw pullFailed(model, errorText(failed));
        const progress = readPullProgress(part);
        ({ status } = progress);
        onProgress(progress);
      }
      if (status !== 'success')
        throw pullFailed(model, `the download ended at '${status}' — expected 'success'`);
    };
    return abortable(exchange, signal, work, () => closeOnly(exchange));
  }

  async load(profile: ModelProfile, signal?: AbortSignal): Promise<LoadedModel> {
    const { capabilities } = await this.describe(profile.model, signal);
    // A server too old to name capabilities gets the ordinary preload.
    const onlyEmbeds = capabilities.length > 0 && !capabilities.includes('completion');
    const { path, body } = loadRequest(profile, onlyEmbeds);
    const startedAt = performance.now();
    // A load has no prompt that could go on without us.
    const progress = { sent: false, answering: true };
    const exchange = longCall(this.#settings, path, body, () => void (progress.sent = true));
    await abortable(
      exchange,
      signal,
      () => readObject(exchange, this.#settings.maxJsonBytes),
      () => this.#runs.stop(exchange, profile.model, progress),
    );
    const loadMs = performance.now() - startedAt;
    return { ...(await this.#listed(profile.model, signal)), loadMs };
  }

  async unload(model: string, signal?: AbortSignal): Promise<void> {
    const { path, body } = unloadRequest(model);
    const { unloadTimeoutMs, pollIntervalMs } = this.#settings;
    await ask(this.#settings, 'POST', path, body, signal);
    const look = async (): Promise<true | undefined> =>
      (await this.#find(model, signal).catch(stillListed)) === undefined ? true : undefined;
    if (await waitUntil(look, unloadTimeoutMs, pollIntervalMs)) return;
    const message = `'${model}' is still listed ${unloadTimeoutMs} ms after the order to unload it`;
    throw new ModelRunnerError('UNLOAD_STUCK', message, { model, waitedMs: unloadTimeoutMs });
  }

  run(request: ModelRequest, hooks: RunHooks, signal?: AbortSignal): Promise<ModelAnswer> {
    return this.#runs.run(request, hooks, signal);
  }

  async #listed(model: string, signal?: AbortSignal): Promise<ResidentModel> {
    const { listedTimeoutMs, pollIntervalMs } = this.#settings;
    const found = await waitUntil(() => this.#find(model, signal), listedTimeoutMs, pollIntervalMs);
    if (found) return found;
    const message = `'${model}' was loaded, but is not listed ${listedTimeoutMs} ms later`;
    throw new ModelRunnerError('MODEL_LOAD_FAILED', message, { model, waitedMs: listedTimeoutMs });
  }

  async #find(model: string, signal?: AbortSignal): Promise<ResidentModel | undefined> {
    return (await this.listResident(signal)).find((resident) => sameModel(resident.model, model));
  }
}

/** `ps` can fail in the very moment in which the server takes a model down (status 500, seen in v0.24.0). */
const stillListed = (error: unknown): 'unknown' => {
  if (error instanceof ModelRunnerError && error.code === 'MODEL_ERROR') return 'unknown';
  throw error;
};

/** A model that no registry has is a wrong name; everything else about a download may pass. */
const pullFailed = (model: string, said: string): ModelRunnerError =>
  new ModelRunnerError(
    said.includes('file does not exist') ? 'MODEL_NOT_FOUND' : 'PULL_FAILED',
    `pull '${model}': ${said}`,
    { model },
  );
