import { isModelName, type SimModel, tagged } from './catalogue.js';
import { Compute } from './compute.js';
import { Faults } from './faults.js';
import { HttpFailure } from './http-failure.js';
import { Residents } from './residents.js';
import { seededRandom } from '#libs/simulation/random.js';
import { SimScheduler, type SchedulerSettings } from './scheduler.js';
import { SimClock } from './sim-clock.js';

export type SimSettings = SchedulerSettings & {
  readonly models: readonly SimModel[];
  readonly timeScale: number;
  readonly seed: number;
};

/** What a simulator has seen and done, for the tests that drive it. */
export type SimState = {
  readonly activeGenerations: number;
  readonly activeGenerationsMax: number;
  /** Runs that ended because their client went away. */
  readonly abandoned: number;
  readonly loads: number;
  readonly unloads: number;
  readonly loading: string | null;
  readonly evicting: string | null;
  readonly queued: number;
  readonly vramUsedBytes: number;
  readonly vramUsedMaxBytes: number;
  readonly loaded: readonly {
    readonly model: string;
    readonly options: Readonly<Record<string, number | boolean | undefined>>;
    readonly requests: number;
    readonly slots: { readonly size: number; readonly busy: number; readonly waiting: number };
    readonly vramBytes: number;
  }[];
  /** How often each route was asked: `POST /api/generate`. */
  readonly requests: Readonly<Record<string, number>>;
};

/** The simulated machine and everything that its routes share. */
export class Sim {
  readonly clock: SimClock;
  readonly compute = new Compute();
  readonly faults = new Faults();
  readonly models = new Map<string, { readonly model: SimModel; readonly modifiedAt: Date }>();
  readonly scheduler: SimScheduler;
  readonly residents: Residents;
  readonly requests = new Map<string, number>();
  abandoned = 0;

  constructor(readonly settings: SimSettings) {
    this.clock = new SimClock(settings.timeScale);
    for (const model of settings.models) {
      const name = tagged(model.name);
      this.models.set(name, { model: { ...model, name }, modifiedAt: new Date() });
    }
    this.scheduler = new SimScheduler(settings, this.clock, this.faults, seededRandom(settings.seed), () =>
      this.residents.changed(),
    );
    this.residents = new Residents(this.scheduler, this.faults, this.clock);
  }

  /** The model of a request; an unknown one is refused in the words of the route. */
  model(name: unknown, unknown: (name: string) => HttpFailure): SimModel {
    const given = typeof name === 'string' ? name : '';
    if (given !== '' && !isModelName(given)) throw new HttpFailure(400, 'invalid model name');
    const found = this.models.get(tagged(given));
    if (!found) throw unknown(given);
    return found.model;
  }

  state(): SimState {
    const { compute, scheduler } = this;
    return {
      activeGenerations: compute.active,
      activeGenerationsMax: compute.activeMax,
      abandoned: this.abandoned,
      loads: scheduler.loads,
      unloads: scheduler.unloads,
      loading: scheduler.loading ?? null,
      evicting: scheduler.evicting ?? null,
      queued: scheduler.queued,
      vramUsedBytes: scheduler.vramUsedBytes,
      vramUsedMaxBytes: scheduler.vramUsedMaxBytes,
      loaded: [...scheduler.loaded.values()].map((runner) => ({
        model: runner.model.name,
        options: runner.options,
        requests: runner.refs,
        slots: { size: runner.slots.size, busy: runner.slots.busy, waiting: runner.slots.waiting },
        vramBytes: runner.memory.vramBytes,
      })),
      requests: Object.fromEntries(this.requests),
    };
  }
}

export const notFound = (name: string): HttpFailure => new HttpFailure(404, `model '${name}' not found`);

/** The embedding routes find the model only when they schedule it, and say so differently. */
export const notFoundPullFirst = (name: string): HttpFailure =>
  name === ''
    ? new HttpFailure(404, "model '' not found")
    : new HttpFailure(404, `model ${JSON.stringify(name)} not found, try pulling it first`);
