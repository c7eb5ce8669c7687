import type { StepManifest } from '#libs/contracts/plugin-wire.js';
import type { TaskView } from '#libs/contracts/queries.js';
import { isPluginType } from '#libs/domain/plugin-type.js';
import type { PluginProblem } from '#libs/plugins/plugin-problems.js';
import type { WorkerDirectory } from '#libs/plugins/worker-directory.js';

type WorkerView = {
  readonly id: string;
  readonly version: string;
  /** Runs in an executor, and not in a program of its own. */
  readonly in_process: boolean;
  readonly slots: number;
  readonly runs: number;
  readonly since: string;
  readonly heard_at: string;
};

export type PluginView = {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly needs: 'cpu' | 'model';
  readonly input: StepManifest['input'] | null;
  readonly output: StepManifest['output'] | null;
  readonly workers: readonly WorkerView[];
};

/** The step types of others, as their workers say them to everybody. */
export class PluginShelf {
  #isHeard = false;

  /** Before `allHeard` resolves, one that is not known may only not have been heard yet. */
  constructor(
    private readonly directory: WorkerDirectory,
    private readonly allHeard: Promise<void>,
  ) {
    void allHeard.then(() => (this.#isHeard = true));
  }

  /** What cannot be used: modules of executors, and workers whose hellos are refused. */
  async problems(): Promise<readonly PluginProblem[]> {
    await this.allHeard;
    return this.directory.problems.list();
  }

  /** By name; of workers that differ, the manifest of the one that was heard last. */
  async list(): Promise<readonly PluginView[]> {
    await this.allHeard;
    return [...this.directory.types()].toSorted().map((type) => {
      const workers = this.directory.of(type);
      const latest = workers.reduce((a, b) => (b.heardMs > a.heardMs ? b : a));
      const { name, version, description = '', needs = 'cpu', input = null, output = null } = latest.manifest;
      const views = workers.map(
        ({ worker, manifest, inProcess, slots, runs, sinceMs, heardMs }): WorkerView => ({
          id: worker,
          version: manifest.version,
          in_process: inProcess,
          slots,
          runs: runs.size,
          since: timeOf(sinceMs),
          heard_at: timeOf(heardMs),
        }),
      );
      return { name, version, description, needs, input, output, workers: views };
    });
  }

  /** The same task, with what its steps wait for where nobody serves their type. */
  withMissing(view: TaskView): TaskView {
    if (!this.#isHeard) return view;
    const types = this.directory.types();
    const steps = view.steps.map((step) =>
      step.status === 'pending' && isPluginType(step.type) && !types.has(step.type)
        ? { ...step, waits_for: `a worker of step type ${step.type}; none is registered` }
        : step,
    );
    return OVER.has(view.status) ? view : { ...view, steps };
  }
}

const OVER: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled']);

const timeOf = (ms: number): string => new Date(ms).toISOString();
