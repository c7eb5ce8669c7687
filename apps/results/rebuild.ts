import type { EventLog } from '#libs/event-log/event-log.js';
import type { RebuildStatus } from '#libs/contracts/queries.js';
import { rfc3339, systemClock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Database } from './database/database.js';
import type { Progress } from './follow/progress.js';
import { Projection, type Logs } from './projection.js';

/** How often a wait looks whether the service is being stopped. */
const LOOK_UP_MS = 250;

/** What a rebuild needs of the read model that is being served. */
export type Served = {
  /** Ends the live projection, if one runs, and says how far it got. */
  readonly rest: () => Promise<{ readonly tasks: number; readonly leases: number }>;
  /** Puts the finished tables in the place of the served ones. */
  readonly exchange: (promote: () => Promise<void>) => Promise<void>;
};

/**
 * Fills a second set of tables from the start of the log while the first is served, and exchanges them once the second
 * includes all that the first does. A rebuild that fails leaves what is served as it was.
 */
export class Rebuild {
  readonly done: Promise<void>;
  #state: RebuildStatus['state'] = 'running';
  #endedAtMs: number | null = null;
  #error: string | null = null;
  #next: Projection | null = null;
  readonly #over = new AbortController();
  readonly #startedAtMs = systemClock.nowMs();

  constructor(
    private readonly reason: string,
    private readonly database: Database,
    private readonly logs: Logs,
    private readonly logger: Logger,
    served: Served,
    private readonly signal: AbortSignal,
  ) {
    this.done = this.#run(served);
    // Whoever asked for it reads the status; nobody has to wait.
    this.done.catch(() => undefined);
  }

  status(): RebuildStatus {
    const figures = this.#next?.tasks.figures();
    return {
      state: this.#state,
      reason: this.reason,
      seq: figures?.seq ?? 0,
      tail_seq: figures?.tailSeq ?? 0,
      started_at: rfc3339(this.#startedAtMs),
      ended_at: this.#endedAtMs === null ? null : rfc3339(this.#endedAtMs),
      error: this.#error,
    };
  }

  /** Why it does not get on, if it does not. */
  problems(lagMax: number): string[] {
    return this.#state === 'running' && this.#next ? this.#next.problems(lagMax) : [];
  }

  async #run(served: Served): Promise<void> {
    this.logger.info({ reason: this.reason }, 'rebuild started');
    try {
      await this.#build(served);
      this.#state = 'finished';
      this.logger.info(this.status(), 'rebuild finished');
    } catch (error) {
      this.#state = 'failed';
      this.#error = error instanceof Error ? error.message : String(error);
      this.logger.error(this.status(), 'rebuild failed; what was served before still is');
      throw error;
    } finally {
      this.#endedAtMs = systemClock.nowMs();
    }
  }

  async #build(served: Served): Promise<void> {
    await this.database.discardNext();
    const next = await Projection.open(this.database, 'next', this.logs, this.logger);
    this.#next = next;
    try {
      const ended = next
        .run(this.signal)
        .then(() => Promise.reject(new Error('the service is being stopped')));
      await Promise.race([this.#filled(next, served), ended]);
    } finally {
      this.#over.abort();
      await next.stop();
    }
    await served.exchange(() => this.database.promote());
  }

  async #filled(next: Projection, served: Served): Promise<void> {
    await this.#reached(next.tasksProgress, await lastSeq(this.logs.tasks));
    await this.#reached(next.leasesProgress, await lastSeq(this.logs.leases));
    const live = await served.rest();
    await this.#reached(next.tasksProgress, live.tasks);
    await this.#reached(next.leasesProgress, live.leases);
  }

  async #reached(progress: Progress, seq: number): Promise<void> {
    while (!(await progress.reached(seq, LOOK_UP_MS))) {
      this.signal.throwIfAborted();
      this.#over.signal.throwIfAborted();
    }
  }
}

const lastSeq = async (log: EventLog): Promise<number> => (await log.tail()).lastSeq;
