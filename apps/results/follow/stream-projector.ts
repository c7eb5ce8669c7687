import { setTimeout as pause } from 'node:timers/promises';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Orm } from '../database/database.js';
import { applyBatch } from './apply-batch.js';
import { CheckpointMismatchError, compareWithLog, readCheckpoint } from './checkpoint.js';
import { Pace, TICK_MS } from './pace.js';
import type { Progress } from './progress.js';
import type { StreamFold } from './stream-fold.js';

/** Events in one transaction. Beyond some hundred a commit is no longer what costs, and the process answers queries in between. */
const BATCH_MAX = 1_000;

/** First and longest wait after a failure: a lock is gone soon, a full disk is not. */
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/**
 * Keeps the read model of one stream up to date. Events go in as batches, each in one transaction with the checkpoint
 * that says so, which makes the effect of every event exactly one. Whatever goes wrong, it starts again from the
 * checkpoint, and compares that with the log before it goes on.
 */
export class StreamProjector {
  readonly #pace = new Pace();
  #failure: string | null = null;
  #committedAtMs = 0;
  #left = new AbortController();

  constructor(
    private readonly log: EventLog,
    private readonly orm: Orm,
    /** Name of the database, for messages. */
    private readonly into: string,
    private readonly fold: StreamFold,
    private readonly progress: Progress,
    /** Least time between two transactions while there is something to write. */
    private readonly everyMs: number,
    private readonly logger: Logger,
  ) {}

  /** Follows the log until the signal aborts. Rejects with `CheckpointMismatchError` when the read model is not of this log. */
  async run(signal: AbortSignal): Promise<void> {
    const ticking = setInterval(() => void this.#tick(), TICK_MS);
    let backoffMs = BACKOFF_MIN_MS;
    try {
      while (!signal.aborted) {
        try {
          await this.#follow(signal, () => {
            backoffMs = BACKOFF_MIN_MS;
          });
        } catch (error) {
          if (error instanceof CheckpointMismatchError) throw error;
          if (signal.aborted) break;
          this.#failed(error, backoffMs);
          await pause(backoffMs, undefined, { signal }).catch(() => undefined);
          backoffMs = Math.min(BACKOFF_MAX_MS, backoffMs * 2);
        }
      }
    } finally {
      clearInterval(ticking);
    }
  }

  get seq(): number {
    return this.progress.seq;
  }

  figures(): {
    readonly seq: number;
    readonly tailSeq: number;
    readonly lag: number;
    readonly eventsPerSecond: number;
  } {
    const { seq } = this;
    const { tailSeq } = this.#pace;
    return { seq, tailSeq, lag: this.#pace.lag(seq), eventsPerSecond: this.#pace.eventsPerSecond() };
  }

  reasons(lagMax: number): string[] {
    return this.#failure === null ? this.#pace.reasons(this.log.name, this.seq, lagMax) : [this.#failure];
  }

  async #follow(signal: AbortSignal, onProgress: () => void): Promise<void> {
    this.fold.forget();
    let included = await readCheckpoint(this.orm.em.fork(), this.log.name);
    const from = await compareWithLog(included, this.log);
    this.progress.set(included.seq);
    await this.#tick();
    this.#left = new AbortController();
    const batches = this.log.followBatches(from, {
      signal: AbortSignal.any([signal, this.#left.signal]),
      sizeMax: BATCH_MAX,
      gather: () => this.#gather(),
    });
    try {
      for await (const batch of batches) {
        included = await applyBatch(this.orm, this.log.name, this.fold, included, batch);
        this.#committedAtMs = performance.now();
        this.progress.set(included.seq);
        this.#pace.moved(included.seq);
        this.#failure = null;
        onProgress();
        if (signal.aborted) return;
      }
      if (!signal.aborted) throw new Error(`${this.log.name}: the log stopped sending`);
    } finally {
      this.#left.abort();
    }
  }

  /**
   * After a quiet time a batch goes at once. Under load the next one waits until this much has passed since the last:
   * a transaction costs 0.6 ms whatever is in it, and without a pause it would be made for every few events and use
   * up a processor. Nobody who asks for an event waits for this.
   */
  async #gather(): Promise<void> {
    const restMs = this.#committedAtMs + this.everyMs - performance.now();
    if (restMs > 0) await Promise.race([pause(restMs), this.progress.awaited()]);
  }

  #failed(error: unknown, backoffMs: number): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#failure = `${this.log.name}: at ${this.seq}, into ${this.into}: ${message}`;
    this.logger.error(
      { stream: this.log.name, seq: this.seq, backoffMs, error: message },
      'projection failed; trying again',
    );
  }

  async #tick(): Promise<void> {
    const { seq } = this;
    const tailSeq = await this.log.tail().then(
      ({ lastSeq }) => lastSeq,
      () => null,
    );
    this.#pace.tick(performance.now(), this.seq, tailSeq);
    // A log that ends before what was read from it is not the same log any more. It would not be noticed otherwise until it
    // has grown past this place again: begin anew, which compares.
    if (tailSeq !== null && tailSeq < seq) this.#left.abort();
  }
}
