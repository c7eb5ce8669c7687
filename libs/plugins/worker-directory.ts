import {
  PLUGIN_LIMITS,
  WORKER_LOST_MS,
  type PluginHello,
  type StepManifest,
} from '#libs/contracts/plugin-wire.js';
import { checkManifest, type CheckedManifest } from './check-manifest.js';
import { PluginProblems } from './plugin-problems.js';

/** A worker as it said last. */
export type PluginWorker = {
  readonly type: string;
  readonly worker: string;
  readonly manifest: StepManifest;
  readonly slots: number;
  readonly runs: ReadonlySet<string>;
  readonly inProcess: boolean;
  readonly sinceMs: number;
  readonly heardMs: number;
  readonly checked: CheckedManifest;
};

/** Safe as a token of a subject. */
const WORKER_ID = /^[A-Za-z0-9_-]{1,64}$/;
const RUN_ID_MAX_CHARS = 200;

/** Who serves which step type, from their hellos. Not heard for a while means gone; nothing is kept over a restart, nor needs to be. */
export class WorkerDirectory {
  readonly #workers = new Map<string, PluginWorker>();
  /** When they said goodbye; as long as those are remembered that are not heard any more. */
  readonly #left = new Map<string, number>();
  /** Hellos that were refused, and what else is known to be unusable. */
  readonly problems: PluginProblems;

  constructor(private readonly nowMs: () => number) {
    this.problems = new PluginProblems(nowMs);
  }

  /** Takes a hello on the subject of `type`. Answers with what is wrong with it, or null. */
  hear(type: string, hello: unknown): string | null {
    const { worker, manifest, slots = 1, runs = [], bye, inProcess } = (hello ?? {}) as Partial<PluginHello>;
    if (typeof worker !== 'string' || !WORKER_ID.test(worker))
      return "'worker' is not accepted; expected 1 to 64 letters, digits, _ and -";
    const key = `${type}/${worker}`;
    if (bye === true) {
      this.#forgetLost();
      if (this.#workers.delete(key)) this.#left.set(key, this.nowMs());
      return null;
    }
    this.#forgetLost();
    this.#left.delete(key);
    const known = this.#workers.get(key);
    if (known === undefined && this.#workers.size >= PLUGIN_LIMITS.workers)
      return `there are ${this.#workers.size} workers already; accepted: up to ${PLUGIN_LIMITS.workers}`;
    if (!Number.isInteger(slots) || slots < 1 || slots > PLUGIN_LIMITS.slots)
      return `'slots' is not accepted; expected a whole number from 1 to ${PLUGIN_LIMITS.slots}`;
    if (!Array.isArray(runs) || runs.length > PLUGIN_LIMITS.slots || !runs.every(isRunId))
      return "'runs' is not accepted; expected the ids of the runs that it works on";
    const checked = this.#checked(known, manifest);
    if (typeof checked === 'string') return checked;
    if (checked.manifest.name !== type)
      return `manifest.name '${checked.manifest.name}' is not accepted here; expected '${type}', the type of the subject`;
    const nowMs = this.nowMs();
    this.#workers.set(key, {
      type,
      worker,
      manifest: checked.manifest,
      slots,
      runs: new Set(runs),
      inProcess: inProcess === true,
      sinceMs: known?.sinceMs ?? nowMs,
      heardMs: nowMs,
      checked,
    });
    return null;
  }

  /** By type and id. */
  all(): readonly PluginWorker[] {
    this.#forgetLost();
    return [...this.#workers.values()].toSorted((a, b) =>
      `${a.type}/${a.worker}` < `${b.type}/${b.worker}` ? -1 : 1,
    );
  }

  of(type: string): readonly PluginWorker[] {
    return this.all().filter((worker) => worker.type === type);
  }

  find(type: string, worker: string): PluginWorker | undefined {
    this.#forgetLost();
    return this.#workers.get(`${type}/${worker}`);
  }

  /** It is gone because it said so, and not because it was not heard. */
  hasLeft(type: string, worker: string): boolean {
    return this.#left.has(`${type}/${worker}`);
  }

  types(): ReadonlySet<string> {
    this.#forgetLost();
    return new Set([...this.#workers.values()].map(({ type }) => type));
  }

  /** Manifests are compiled when they change: that is what a hello costs. */
  #checked(known: PluginWorker | undefined, manifest: unknown): CheckedManifest | string {
    if (known && JSON.stringify(known.manifest) === JSON.stringify(manifest)) return known.checked;
    const check = checkManifest(manifest);
    return check.ok ? check.checked : check.error;
  }

  #forgetLost(): void {
    const lostMs = this.nowMs() - WORKER_LOST_MS;
    for (const [key, { heardMs }] of this.#workers) if (heardMs <= lostMs) this.#workers.delete(key);
    for (const [key, leftMs] of this.#left) if (leftMs <= lostMs) this.#left.delete(key);
  }
}

const isRunId = (value: unknown): boolean => typeof value === 'string' && value.length <= RUN_ID_MAX_CHARS;
