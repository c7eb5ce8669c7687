import type { DeliverySummary } from '#libs/contracts/notify-rpc.js';
import { newDelivery, notTaken, sentAgain, type Delivery } from '#libs/domain/notify/delivery.js';
import { Lanes } from '#libs/domain/notify/lanes.js';
import type { LogPosition } from '#libs/event-log/event-log.js';
import { RecordMovedError, type RecordStore } from '#libs/event-log/record-store.js';
import type { Clock } from '#libs/runtime/clock.js';

export type BookLimits = {
  /** Deliveries that are over and kept, for looking and for sending again; and for how long. */
  readonly overKeptMax: number;
  readonly overKeptMs: number;
  /** Messages of one channel that wait; beyond it further ones are failed at once, and listed. */
  readonly waitingMax: number;
};

export const BOOK_LIMITS: BookLimits = {
  overKeptMax: 10_000,
  overKeptMs: 30 * 86_400_000,
  waitingMax: 5_000,
};

const POSITION = 'position';
const keyOf = (id: string): string => `delivery.${id}`;

type NewDelivery = Omit<Parameters<typeof newDelivery>[0], 'order'>;
type Entry = { readonly summary: DeliverySummary; readonly revision: number };

/**
 * What is to be delivered and what was, as the store has it. One book is open at a time: whoever finds a record that it did not write itself is
 * no longer the one (`RecordMovedError`), and opens a new one.
 */
export class DeliveryBook {
  readonly lanes = new Lanes();
  /** In the order in which they were made. */
  readonly #entries = new Map<string, Entry>();
  /** Those that are over, in the order in which they ended. */
  readonly #over = new Map<string, number>();
  readonly #making = new Map<string, Promise<DeliverySummary>>();
  readonly #sendingAgain = new Set<string>();
  readonly #waiters = new Map<string, Set<() => void>>();
  #order = 0;
  #position: LogPosition | null = null;
  #positionRevision = 0;

  private constructor(
    private readonly store: RecordStore,
    private readonly clock: Clock,
    private readonly limits: BookLimits,
  ) {}

  static async open(store: RecordStore, clock: Clock, limits = BOOK_LIMITS): Promise<DeliveryBook> {
    const book = new DeliveryBook(store, clock, limits);
    const latest = new Map<string, { readonly delivery: Delivery; readonly revision: number }>();
    for await (const { key, value, revision } of store.all()) {
      if (key !== POSITION) {
        latest.set(key, { delivery: value as Delivery, revision });
        continue;
      }
      book.#position = value as LogPosition | null;
      book.#positionRevision = revision;
    }
    const found = [...latest.values()];
    found.sort((a, b) => a.delivery.order - b.delivery.order || (a.delivery.id < b.delivery.id ? -1 : 1));
    for (const { delivery, revision } of found) {
      const summary = book.#keep(delivery, revision);
      if (delivery.status === 'pending') book.lanes.add(summary);
    }
    const ended = found.filter(({ delivery }) => delivery.endedAtMs !== null);
    ended.sort((a, b) => Number(a.delivery.endedAtMs) - Number(b.delivery.endedAtMs));
    for (const { delivery } of ended) book.#over.set(delivery.id, Number(delivery.endedAtMs));
    return book;
  }

  /** Up to where the log was read for messages; null where no rule asked for any. */
  get position(): LogPosition | null {
    return this.#position;
  }

  async moveTo(position: LogPosition | null): Promise<void> {
    this.#positionRevision = await this.store.put(POSITION, position, this.#positionRevision);
    this.#position = position;
  }

  summary(id: string): DeliverySummary | undefined {
    return this.#entries.get(id)?.summary;
  }

  /** Newest first. */
  *newestFirst(): Iterable<DeliverySummary> {
    for (const { summary } of [...this.#entries.values()].toReversed()) yield summary;
  }

  async read(id: string): Promise<Delivery | null> {
    return ((await this.store.get(keyOf(id)))?.value as Delivery | undefined) ?? null;
  }

  /** Once in the store it will be delivered or given up, whatever happens. The same cause again finds the first one. */
  async make(what: NewDelivery): Promise<DeliverySummary> {
    const known = this.summary(what.id);
    if (known !== undefined) return known;
    const making = this.#making.get(what.id) ?? this.#make(what).finally(() => this.#making.delete(what.id));
    this.#making.set(what.id, making);
    return await making;
  }

  async #make(what: NewDelivery): Promise<DeliverySummary> {
    const nowMs = this.clock.nowMs();
    this.#order += 1;
    const fresh = newDelivery({ ...what, order: this.#order }, nowMs);
    const { waitingMax } = this.limits;
    const isFull = this.lanes.waiting(what.channel) >= waitingMax;
    const delivery = isFull
      ? notTaken(fresh, `${waitingMax} messages wait for the channel '${what.channel}' already`, nowMs)
      : fresh;
    const summary = this.#keep(delivery, await this.store.put(keyOf(what.id), delivery, 0));
    if (isFull) await this.#ended(delivery);
    else this.lanes.add(summary);
    return summary;
  }

  /** Once more, whether it has arrived or was given up; one that waits is tried at once. Null for one that is not there. */
  async sendAgain(id: string): Promise<Delivery | null> {
    const delivery = await this.read(id);
    const summary = this.summary(id);
    if (delivery === null || summary === undefined) return null;
    if (summary.status === 'pending' || this.#sendingAgain.has(id)) {
      this.lanes.hurry(summary, this.clock.nowMs());
      return delivery;
    }
    this.#sendingAgain.add(id);
    try {
      const again = sentAgain(delivery, this.clock.nowMs());
      await this.save(again);
      this.lanes.add(this.summary(id) ?? again);
      return again;
    } finally {
      this.#sendingAgain.delete(id);
    }
  }

  /** Stores what has become of a delivery. */
  async save(delivery: Delivery): Promise<void> {
    const entry = this.#entries.get(delivery.id);
    if (entry === undefined) throw new RecordMovedError(`delivery ${delivery.id} is not in this book`);
    const revision = await this.store.put(keyOf(delivery.id), delivery, entry.revision);
    this.#keep(delivery, revision);
    if (delivery.status !== 'pending') await this.#ended(delivery);
    else this.#over.delete(delivery.id);
  }

  /** Resolves when the delivery is over, or after `limitMs`. */
  async untilOver(id: string, limitMs: number): Promise<void> {
    if (limitMs <= 0 || this.summary(id)?.status !== 'pending') return;
    await new Promise<void>((resolve) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters);
      const done = (): void => {
        clearTimeout(timer);
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(id);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      waiters.add(done);
    });
  }

  get figures(): { readonly waiting: number; readonly kept: number } {
    return { waiting: this.#entries.size - this.#over.size, kept: this.#entries.size };
  }

  #keep(delivery: Delivery, revision: number): DeliverySummary {
    const { message, tries, round: _, ...rest } = delivery;
    const summary = { ...rest, title: message.title, lastTry: tries.at(-1) ?? null };
    this.#entries.set(delivery.id, { summary, revision });
    this.#order = Math.max(this.#order, delivery.order);
    return summary;
  }

  async #ended({ id, endedAtMs }: Delivery): Promise<void> {
    const { overKeptMax, overKeptMs } = this.limits;
    this.#over.delete(id);
    this.#over.set(id, endedAtMs ?? 0);
    for (const done of this.#waiters.get(id) ?? []) done();
    for (const [oldest, atMs] of this.#over) {
      if (this.#over.size <= overKeptMax && atMs > this.clock.nowMs() - overKeptMs) return;
      // One that is just being sent again is not over for long.
      if (this.#sendingAgain.has(oldest)) continue;
      await this.store.remove(keyOf(oldest));
      this.#over.delete(oldest);
      this.#entries.delete(oldest);
    }
  }
}
