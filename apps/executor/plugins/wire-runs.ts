import type { NatsConnection } from '@nats-io/transport-node';
import {
  HELLO_EVERY_MS,
  PLUGIN_SUBJECTS,
  type FromWorker,
  type PluginRun,
  type ToWorker,
} from '#libs/contracts/plugin-wire.js';
import { durationTextOf } from '#libs/domain/duration.js';
import { WORKER_LOOK_MS } from '#libs/domain/task/step-workers.js';
import { typeOfSubject } from '#libs/plugins/hear-workers.js';
import type { PluginWorker, WorkerDirectory } from '#libs/plugins/worker-directory.js';
import type { Clock } from '#libs/runtime/clock.js';
import { StepError } from '../step-error.js';
import type { PluginPart, StepContext, StepResult } from '../step-runner.js';
import { modelSlotOf } from './model-slot.js';
import { WireRun } from './wire-run.js';

export type WireRunsOptions = {
  readonly connection: NatsConnection;
  readonly directory: WorkerDirectory;
  readonly clock: Clock;
};

/** A worker that does not say within this that it has taken a run is passed over until its next hello. */
const ACCEPT_MS = 3_000;

/**
 * Hands runs to workers and hears of them. The lease is the executor's: it is renewed while the worker says hello with the run in its
 * hands, and what a worker says about a run that it was not given, or that is over, goes nowhere.
 */
export class WireRuns {
  readonly #runs = new Map<string, WireRun>();
  readonly #given = new Map<string, number>();
  /** Since when a worker is passed over. */
  readonly #silent = new Map<string, number>();
  readonly #changed = new Set<() => void>();

  constructor(private readonly options: WireRunsOptions) {
    options.connection.subscribe(PLUGIN_SUBJECTS.allFrom, {
      callback: (error, { subject, data }) => {
        if (error) return;
        const said = parsed(data);
        const run = said && this.#runs.get(said.run);
        if (run?.worker === said?.worker && run?.type === typeOfSubject(subject))
          run?.hear(said as FromWorker);
      },
    });
  }

  /** A worker was heard: one may be free, or one may have lost a run. */
  heard(): void {
    for (const changed of this.#changed) changed();
  }

  async run(context: StepContext, plugin: PluginPart): Promise<StepResult> {
    const sinceMs = this.options.clock.nowMs();
    let aliveMs = sinceMs;
    for (;;) {
      if (context.signal.aborted) throw new StepError('RUN_ABORTED', 'aborted before a worker took it');
      const nowMs = this.options.clock.nowMs();
      const workers = this.options.directory.of(plugin.stepType).filter(({ inProcess }) => !inProcess);
      if (workers.length > 0) aliveMs = nowMs;
      else if (nowMs - aliveMs >= WORKER_LOOK_MS) throw nobody(plugin);
      const worker = this.#freest(workers);
      const result = worker && (await this.#by(worker, context, plugin));
      if (result) return result;
      await this.#change(context.signal);
    }
  }

  /** Null when it did not take the run. */
  async #by(worker: PluginWorker, context: StepContext, plugin: PluginPart): Promise<StepResult | null> {
    const { connection, directory } = this.options;
    const { manifest, inputProblem, outputProblem } = worker.checked;
    const wrong = inputProblem(context.input);
    if (wrong !== null) throw new StepError('STEP_INPUT_INVALID', wrong);
    const model = await modelSlotOf({ ...context, plugin }, manifest.needs);
    const subject = PLUGIN_SUBJECTS.to(worker.type, worker.worker);
    const tell = (message: ToWorker): void => connection.publish(subject, JSON.stringify(message));
    const offer: PluginRun = {
      kind: 'run',
      run: plugin.run,
      task: plugin.taskId,
      step: plugin.stepId,
      attempt: context.attempt,
      input: context.input,
      ...(model === undefined ? {} : { model }),
    };
    const key = keyOf(worker);
    const run = new WireRun(worker, { context, outputProblem, tell, run: plugin.run });
    const look = (): void =>
      run.look(directory.find(worker.type, worker.worker), directory.hasLeft(worker.type, worker.worker));
    const beat = setInterval(() => {
      tell({ kind: 'keep', run: plugin.run });
      look();
    }, HELLO_EVERY_MS);
    this.#runs.set(plugin.run, run);
    this.#given.set(key, (this.#given.get(key) ?? 0) + 1);
    this.#changed.add(look);
    try {
      tell(offer);
      const result = await run.end(ACCEPT_MS);
      if (result === null) this.#silent.set(key, this.options.clock.nowMs());
      return result;
    } finally {
      clearInterval(beat);
      this.#runs.delete(plugin.run);
      this.#changed.delete(look);
      const left = (this.#given.get(key) ?? 1) - 1;
      if (left > 0) this.#given.set(key, left);
      else this.#given.delete(key);
      this.heard();
    }
  }

  /** The one with the most free slots; undefined when none has one. */
  #freest(workers: readonly PluginWorker[]): PluginWorker | undefined {
    const free = (worker: PluginWorker): number =>
      worker.slots - Math.max(this.#given.get(keyOf(worker)) ?? 0, worker.runs.size);
    const open = workers.filter((worker) => {
      const silentMs = this.#silent.get(keyOf(worker));
      if (silentMs !== undefined && worker.heardMs > silentMs) this.#silent.delete(keyOf(worker));
      return free(worker) > 0 && !this.#silent.has(keyOf(worker));
    });
    return open.toSorted((a, b) => free(b) - free(a))[0];
  }

  /** Until something is heard, or a while has passed, or nobody wants it any more. */
  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, HELLO_EVERY_MS / 2);
    this.#changed.add(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    this.#changed.delete(resolve);
  }
}

const keyOf = ({ type, worker }: PluginWorker): string => `${type}/${worker}`;

const nobody = ({ stepType, workerWaitMs }: PluginPart): StepError =>
  workerWaitMs === undefined
    ? new StepError('PLUGIN_LOST', `No worker of step type '${stepType}' is registered any more.`)
    : new StepError(
        'PLUGIN_MISSING',
        `No worker of step type '${stepType}' was registered within ${durationTextOf(workerWaitMs)} (plugin_missing).`,
        { stepType, workerWaitMs },
      );

const parsed = (data: Uint8Array): FromWorker | null => {
  try {
    const said: unknown = JSON.parse(new TextDecoder().decode(data));
    return typeof said === 'object' && said !== null ? (said as FromWorker) : null;
  } catch {
    return null;
  }
};
