import { setTimeout as pause } from 'node:timers/promises';
import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { RebuildStatus } from '#libs/contracts/queries.js';
import type { HealthCheck } from '#libs/runtime/health.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Database } from './database/database.js';
import { CheckpointMismatchError } from './follow/checkpoint.js';
import { Progress } from './follow/progress.js';
import { Projection, type Logs } from './projection.js';
import { ReadGate } from './read-gate.js';
import { Rebuild } from './rebuild.js';

/** First and longest wait before the database is opened again. */
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/**
 * The read model as a whole: the tables that are served, the projection that keeps them up to date, and the rebuild
 * that replaces them. It moves between three states, and only `#run` moves it:
 *
 * - opening: the database is opened and migrated; tried again until that works.
 * - following: the projection runs. A rebuild on request fills other tables meanwhile, then ends the projection to
 *   exchange the tables, and following starts again on the new ones.
 * - not of this log: the checkpoint does not fit the log. What is there is served, and said to be not ready, until a
 *   rebuild has replaced it. It is never continued.
 */
export class ReadModel {
  readonly #stopping = new AbortController();
  readonly #gate = new ReadGate();
  /** What the served tables include of `TASKS`. */
  readonly #included = new Progress();
  #live: Projection | null = null;
  #rebuild: Rebuild | null = null;
  #problem: string | null = 'the database is being opened';
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly logs: Logs,
    private readonly logger: Logger,
    private readonly lagReadyMax: number,
  ) {}

  /** Returns at once: a database that cannot be opened yet keeps the service not ready, not from starting. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // Readers first: SQLite merges the write-ahead log into the file when its last connection closes, if that one can write.
    await this.#gate.close();
    await this.#live?.stop();
    await this.#running;
    await this.#gate.close();
  }

  /** Reads the served tables, all as they are at one moment. */
  read<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T> {
    return this.#gate.read(work);
  }

  /** True when the answers include everything up to `seq` of `TASKS` within the time given. */
  includes(seq: number, limitMs: number): Promise<boolean> {
    return this.#included.reached(seq, limitMs);
  }

  get includedSeq(): number {
    return this.#included.seq;
  }

  /** Starts a rebuild, or joins the one that runs. */
  rebuild(reason: string): RebuildStatus {
    return (this.#rebuilding() ?? this.#startRebuild(reason)).status();
  }

  rebuildStatus(): RebuildStatus | null {
    return this.#rebuild?.status() ?? null;
  }

  readonly health: HealthCheck = () => {
    const tasks = this.#live?.tasks.figures();
    const leases = this.#live?.leases.figures();
    const rebuild = this.#rebuild?.status();
    const own = this.#problem === null ? (this.#live?.problems(this.lagReadyMax) ?? []) : [this.#problem];
    return {
      reasons: [...own, ...(this.#problem === null ? [] : (this.#rebuild?.problems(this.lagReadyMax) ?? []))],
      progress: {
        database: this.database.name,
        ...tasks,
        ...(leases ? { leasesSeq: leases.seq, leasesLag: leases.lag } : {}),
        ...(rebuild ? { rebuild: rebuild.state, rebuildSeq: rebuild.seq } : {}),
      },
    };
  };

  async #run(): Promise<void> {
    let backoffMs = BACKOFF_MIN_MS;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#follow();
        backoffMs = BACKOFF_MIN_MS;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#problem = error instanceof Error ? error.message : String(error);
        this.logger.error({ error: this.#problem, backoffMs }, 'read model cannot be kept; trying again');
        await pause(backoffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
      }
    }
  }

  /** Opens the served tables and follows the log until something ends that: a stop, an exchange of the tables, a failure. */
  async #follow(): Promise<void> {
    const live = await Projection.open(this.database, 'live', this.logs, this.logger, this.#included);
    try {
      if (!this.#gate.isOpen) this.#gate.open(await this.database.openReader());
      this.#live = live;
      this.#problem = null;
      await live.run(this.#stopping.signal);
    } catch (error) {
      if (!(error instanceof CheckpointMismatchError)) throw error;
      await this.#replace(error.message, live);
    } finally {
      this.#live = null;
      await live.stop();
    }
    await this.#rebuilding()?.done;
  }

  /** The tables are not of this log: nothing that they include counts, and a rebuild has to replace them. */
  async #replace(reason: string, live: Projection): Promise<void> {
    this.logger.error({ reason }, 'read model does not fit the log; rebuilding');
    this.#problem = `rebuilding: ${reason}`;
    this.#included.set(0);
    this.#live = null;
    await live.stop();
    await (this.#rebuilding() ?? this.#startRebuild(reason)).done;
  }

  #rebuilding(): Rebuild | null {
    return this.#rebuild?.status().state === 'running' ? this.#rebuild : null;
  }

  #startRebuild(reason: string): Rebuild {
    this.#rebuild = new Rebuild(
      reason,
      this.database,
      this.logs,
      this.logger,
      {
        rest: async () => {
          const live = this.#live;
          await live?.stop();
          return { tasks: live?.tasks.seq ?? 0, leases: live?.leases.seq ?? 0 };
        },
        exchange: (promote) => this.#gate.exchange(promote, () => this.database.openReader()),
      },
      this.#stopping.signal,
    );
    return this.#rebuild;
  }
}
