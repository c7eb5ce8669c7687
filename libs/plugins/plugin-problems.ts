import { PLUGIN_LIMITS, WORKER_LOST_MS } from '#libs/contracts/plugin-wire.js';

export type PluginProblem = {
  /** The executor or the worker that it is a problem of. */
  readonly by: string;
  readonly problem: string;
};

type Said = { readonly problems: readonly string[]; readonly heardMs: number };

/** What cannot be used, as it was said or refused last. Not heard of for as long as a worker that is gone, it is forgotten. */
export class PluginProblems {
  readonly #said = new Map<string, Said>();

  constructor(private readonly nowMs: () => number) {}

  /** From now on these, and no others, are the problems of `by`. Answers with those that are new. */
  say(by: string, problems: readonly string[]): readonly string[] {
    const before = this.#said.get(by)?.problems ?? [];
    if (problems.length === 0) this.#said.delete(by);
    else if (this.#said.has(by) || this.#hasRoom()) this.#said.set(by, { problems, heardMs: this.nowMs() });
    return problems.filter((problem) => !before.includes(problem));
  }

  /** By whom, in the order in which each said them. */
  list(): readonly PluginProblem[] {
    this.#forgetLost();
    return [...this.#said]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([by, { problems }]) => problems.map((problem) => ({ by, problem })));
  }

  #hasRoom(): boolean {
    this.#forgetLost();
    return this.#said.size < PLUGIN_LIMITS.workers;
  }

  #forgetLost(): void {
    const lostMs = this.nowMs() - WORKER_LOST_MS;
    for (const [by, { heardMs }] of this.#said) if (heardMs <= lostMs) this.#said.delete(by);
  }
}
