import { details, digestOf } from './catalogue.js';
import type { Faults } from './faults.js';
import { goTimestamp } from './go-time.js';
import type { SimScheduler } from './scheduler.js';
import type { SimClock } from './sim-clock.js';
import type { SimRunner } from './sim-runner.js';

/** What `ps` lists: what is loaded now, or, while the fault `ps-lag` is armed, what was loaded some time ago. */
export class Residents {
  #history: { readonly atMs: number; readonly runners: readonly SimRunner[] }[] = [];

  constructor(
    private readonly scheduler: SimScheduler,
    private readonly faults: Faults,
    private readonly clock: SimClock,
  ) {
    this.changed();
  }

  /** To be called at every change of what is loaded. */
  changed(): void {
    this.#history.push({ atMs: this.clock.nowMs(), runners: [...this.scheduler.loaded.values()] });
    // A lag of more than a hundred changes is no lag but a broken server.
    this.#history = this.#history.slice(-100);
  }

  list(): readonly unknown[] {
    return this.#runners()
      .toSorted((a, b) => b.expiresAt.getTime() - a.expiresAt.getTime())
      .map((runner) => ({
        name: runner.model.name,
        model: runner.model.name,
        size: runner.memory.sizeBytes,
        digest: digestOf(runner.model),
        details: details(runner.model),
        expires_at: goTimestamp(runner.expiresAt),
        size_vram: runner.memory.vramBytes,
        context_length: Math.min(runner.options.num_ctx, runner.model.contextLength),
      }));
  }

  #runners(): readonly SimRunner[] {
    const lag = this.faults.strike('ps-lag');
    if (!lag) return [...this.scheduler.loaded.values()];
    const before = this.clock.nowMs() - lag.lagMs;
    return this.#history.findLast(({ atMs }) => atMs <= before)?.runners ?? [];
  }
}
