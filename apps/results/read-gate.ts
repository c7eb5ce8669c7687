import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { Orm } from './database/database.js';
import { inTransaction } from './database/transaction.js';

/** Queries that run or wait at once. Each takes about a millisecond, so a thousandth would wait a second. */
const READS_MAX = 1_000;

/** Nothing can be read now; the message says why. The caller may ask again. */
export class NotServingError extends Error {
  override readonly name = 'NotServingError';
}

/**
 * The way to the tables that are served. Open: reads pass, each in a transaction of its own, so that all it sees is of
 * one moment. Exchanging: reads that began are let end, new ones wait the few milliseconds until the other tables are
 * in place. Closed: the database has not been opened yet, or could not be.
 */
export class ReadGate {
  #reader: Orm | null = null;
  #exchange: Promise<void> | null = null;
  readonly #reads = new Set<Promise<unknown>>();
  #waiting = 0;

  get isOpen(): boolean {
    return this.#reader !== null;
  }

  open(reader: Orm): void {
    this.#reader = reader;
  }

  async read<T>(work: (em: SqlEntityManager) => Promise<T>): Promise<T> {
    if (this.#reads.size + this.#waiting >= READS_MAX) {
      throw new NotServingError(`${READS_MAX} queries run or wait already; ask again`);
    }
    this.#waiting += 1;
    try {
      while (this.#exchange) await this.#exchange;
    } finally {
      this.#waiting -= 1;
    }
    if (!this.#reader) throw new NotServingError('the database is not open yet; ask again');
    const read = inTransaction(this.#reader, work);
    this.#reads.add(read);
    try {
      return await read;
    } finally {
      this.#reads.delete(read);
    }
  }

  /** Closes the reader when nobody reads, does `work`, and opens what is then there. */
  async exchange(work: () => Promise<void>, reopen: () => Promise<Orm>): Promise<void> {
    const exchange = this.#exchangeNow(work, reopen);
    const settled = exchange
      .catch(() => undefined)
      .then(() => {
        this.#exchange = null;
      });
    this.#exchange = settled;
    await settled;
    await exchange;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#reads);
    await this.#reader?.close();
    this.#reader = null;
  }

  async #exchangeNow(work: () => Promise<void>, reopen: () => Promise<Orm>): Promise<void> {
    await this.close();
    try {
      await work();
    } finally {
      this.#reader = await reopen();
    }
  }
}
