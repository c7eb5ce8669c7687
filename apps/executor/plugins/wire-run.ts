import { PLUGIN_LIMITS, type FromWorker, type ToWorker } from '#libs/contracts/plugin-wire.js';
import type { PluginWorker } from '#libs/plugins/worker-directory.js';
import { StepError } from '../step-error.js';
import type { StepContext, StepResult } from '../step-runner.js';

export type WireRunOptions = {
  readonly context: StepContext;
  readonly run: string;
  readonly outputProblem: (output: unknown) => string | null;
  readonly tell: (message: ToWorker) => void;
};

/** Hellos without the run after its worker took it: one may have been on its way, two mean that it has forgotten it. */
const FORGOTTEN_AFTER = 2;

/** One run in the hands of one worker, from the offer to its end. */
export class WireRun {
  readonly worker: string;
  readonly type: string;
  readonly #end = Promise.withResolvers<StepResult | null>();
  #isAccepted = false;
  #passedOn = 0;
  #missing = 0;
  #lookedAtMs = 0;

  constructor(
    { worker, type }: PluginWorker,
    private readonly options: WireRunOptions,
  ) {
    this.worker = worker;
    this.type = type;
  }

  /** Resolves with null when the worker did not take it; rejects with what went wrong. An abort ends it at once, and tells the worker. */
  async end(acceptMs: number): Promise<StepResult | null> {
    const { context, tell, run } = this.options;
    const untaken = setTimeout(() => {
      if (!this.#isAccepted) this.#giveUp();
    }, acceptMs);
    const aborted = (): void => {
      tell({ kind: 'cancel', run, reason: 'nobody wants its result any more' });
      this.#end.reject(new StepError('RUN_ABORTED', 'aborted while a worker had it'));
    };
    context.signal.addEventListener('abort', aborted, { once: true });
    if (context.signal.aborted) aborted();
    try {
      return await this.#end.promise;
    } finally {
      clearTimeout(untaken);
      context.signal.removeEventListener('abort', aborted);
    }
  }

  hear(said: FromWorker): void {
    switch (said.kind) {
      case 'accept':
        this.#isAccepted = true;
        return;
      case 'busy':
        if (!this.#isAccepted) this.#end.resolve(null);
        return;
      case 'log':
        return this.#passOn(said.message);
      case 'progress':
        return this.#passOn(said.message, said.completed, said.total);
      case 'complete':
        return this.#complete(said.output ?? null);
      case 'fail': {
        const message = textOf(said.message);
        return this.#end.reject(
          new StepError(said.retry === false ? 'PLUGIN_REFUSED' : 'PLUGIN_FAILED', message),
        );
      }
    }
  }

  /** The worker as it is now; undefined when it is gone, and whether it has said so. A run that it never took goes to another one. */
  look(worker: PluginWorker | undefined, hasLeft: boolean): void {
    if (worker === undefined && !this.#isAccepted) return this.#giveUp();
    if (worker === undefined)
      return this.#lose(
        `The worker '${this.worker}' of step type '${this.type}' ${hasLeft ? 'has left' : 'is not heard any more'}.`,
      );
    if (!this.#isAccepted || worker.heardMs === this.#lookedAtMs) return;
    this.#lookedAtMs = worker.heardMs;
    this.#missing = worker.runs.has(this.options.run) ? 0 : this.#missing + 1;
    if (this.#missing >= FORGOTTEN_AFTER)
      this.#lose(
        `The worker '${this.worker}' of step type '${this.type}' does not know of the run any more.`,
      );
  }

  #lose(message: string): void {
    this.#end.reject(new StepError('PLUGIN_LOST', message));
  }

  /** It may have taken it all the same, and said so too late. */
  #giveUp(): void {
    this.options.tell({ kind: 'cancel', run: this.options.run, reason: 'it was not accepted in time' });
    this.#end.resolve(null);
  }

  #complete(output: unknown): void {
    const problem = this.options.outputProblem(output);
    if (problem === null) this.#end.resolve({ output });
    else this.#end.reject(new StepError('PLUGIN_OUTPUT_INVALID', problem));
  }

  #passOn(message: unknown, completed?: unknown, total?: unknown): void {
    this.#passedOn += 1;
    if (this.#passedOn > PLUGIN_LIMITS.messagesPerRun) return;
    this.options.context.progress(textOf(message), numberOf(completed), numberOf(total));
  }
}

const textOf = (value: unknown): string =>
  (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, PLUGIN_LIMITS.messageChars);

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
