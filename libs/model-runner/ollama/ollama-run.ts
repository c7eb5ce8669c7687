import type { ModelAnswer, ModelRequest, RunHooks } from '../model-runner.js';
import { type AbortProof, type Mark, markOf, proveAbort } from './abort-proof.js';
import { abortable } from './abortable.js';
import { AnswerBuilder, embedAnswer } from './ollama-answer.js';
import { askResident, longCall, readObject, readParts } from './ollama-calls.js';
import type { OllamaExchange } from './ollama-exchange.js';
import type { OllamaSettings } from './ollama-options.js';
import { runRequest } from './ollama-requests.js';

/**
 * Milliseconds that an abort may wait for the look at `ps` that comes before it. A look takes 1 ms on an idle server;
 * one that is busy unloading can hold it for seconds, and an abort must not wait for that.
 */
const LOOK_BEFORE_ABORT_MS = 250;

/** How far a request has come: handed to the server; its prompt evaluated, so that every next token can end it. */
export type RunProgress = { readonly sent: boolean; readonly answering: boolean };

/** The runs of one server, counted by model: an abort can only be proven for the last run on a model. */
export class OllamaRuns {
  readonly #running = new Map<string, number>();

  constructor(private readonly settings: OllamaSettings) {}

  async run(request: ModelRequest, hooks: RunHooks, signal?: AbortSignal): Promise<ModelAnswer> {
    const { path, body } = runRequest(request);
    const { model } = request.profile;
    const progress = { sent: false, answering: false };
    const exchange = longCall(asPatientAs(request, this.settings), path, body, () => {
      progress.sent = true;
      hooks.onStarted?.();
    });
    this.#count(model, 1);
    try {
      return await abortable(
        exchange,
        signal,
        () => this.#answer(exchange, request, quietAfter(signal, hooks), progress),
        () => this.stop(exchange, model, progress),
      );
    } finally {
      this.#count(model, -1);
    }
  }

  /**
   * Closes the exchange and proves that the server has let go of it. While a prompt is being evaluated there is no
   * proof: the server counts the run as ended at once, but its engine looks for a closed connection only when it has
   * a token to send (v0.24.0 kept the slot for more than ten minutes). Unloading the model ends that for certain.
   */
  async stop(exchange: OllamaExchange, model: string, progress: RunProgress): Promise<AbortProof> {
    if (!progress.sent) {
      await exchange.close();
      return { confirmed: true, confirmedBy: 'not-sent' };
    }
    const { settings } = this;
    const provable = progress.answering && (this.#running.get(model) ?? 0) <= 1;
    const before = await this.#mark(model, LOOK_BEFORE_ABORT_MS).catch(() => undefined);
    await exchange.close();
    const look = (): Promise<Mark> => this.#mark(model, settings.callTimeoutMs);
    return proveAbort(before, look, provable ? settings.abortConfirmTimeoutMs : 0, settings.pollIntervalMs);
  }

  async #answer(
    exchange: OllamaExchange,
    request: ModelRequest,
    hooks: RunHooks,
    progress: { answering: boolean },
  ): Promise<ModelAnswer> {
    const { maxOutputBytes, maxJsonBytes } = this.settings;
    const { model } = request.profile;
    if (request.kind === 'embed') {
      return embedAnswer(
        exchange.what,
        model,
        await readObject(exchange, maxJsonBytes),
        request.input.length,
      );
    }
    const answer = new AnswerBuilder(exchange.what, model, maxOutputBytes, hooks);
    for await (const part of readParts(exchange, this.settings)) {
      progress.answering = true;
      answer.add(part);
    }
    return answer.finish();
  }

  async #mark(model: string, timeoutMs: number): Promise<Mark> {
    return markOf(await askResident(this.settings, undefined, timeoutMs), model);
  }

  #count(model: string, change: 1 | -1): void {
    const count = (this.#running.get(model) ?? 0) + change;
    if (count === 0) this.#running.delete(model);
    else this.#running.set(model, count);
  }
}

const asPatientAs = ({ noProgressMs = 0 }: ModelRequest, settings: OllamaSettings): OllamaSettings => ({
  ...settings,
  firstTokenTimeoutMs: Math.max(settings.firstTokenTimeoutMs, noProgressMs),
  watchdogNoProgressMs: Math.max(settings.watchdogNoProgressMs, noProgressMs),
});

/** Between the abort and the end of the connection tokens may still arrive; nobody wants them any more. */
const quietAfter = (signal: AbortSignal | undefined, hooks: RunHooks): RunHooks => ({
  onToken: (token) => {
    if (!signal?.aborted) hooks.onToken?.(token);
  },
});
