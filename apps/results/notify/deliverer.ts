import { afterTry, type Delivery, type TryOutcome } from '#libs/domain/notify/delivery.js';
import type { Waiting } from '#libs/domain/notify/lanes.js';
import { LogUnavailableError } from '#libs/event-log/event-log.js';
import { pause } from '#libs/event-log/pause.js';
import type { NotificationSettings } from '#libs/notifications-file/channel-spec.js';
import type { Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import { senderOf } from './channels/sender.js';
import type { DeliveryBook } from './delivery-book.js';

/** A look at the clock at least so often, whatever the timers of this machine do. */
const LOOK_EVERY_MS = 30_000;

/** A store that did not answer is asked again. */
const SAVE_AGAIN_MS = 500;

export type DelivererOptions = {
  readonly book: DeliveryBook;
  readonly settings: () => NotificationSettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
};

/** Tries what is due, and stores how each try went before the next message of its lane is tried. */
export class Deliverer {
  readonly #underWay = new Set<Promise<void>>();
  #wake: () => void = () => undefined;

  constructor(private readonly options: DelivererOptions) {}

  /** Something may be due that was not. */
  look(): void {
    this.#wake();
  }

  /** Until the signal aborts. Rejects when another one has the book. */
  async run(signal: AbortSignal): Promise<void> {
    const { book, clock, settings } = this.options;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    try {
      while (!signal.aborted) {
        const atOnceMax = (channel: string): number => settings().channels.get(channel)?.atOnceMax ?? 1;
        for (const waiting of book.lanes.take(clock.nowMs(), atOnceMax))
          this.#begin(waiting, signal, failed.reject);
        await Promise.race([this.#nextLook(signal), failed.promise]);
      }
    } finally {
      await Promise.allSettled(this.#underWay);
    }
  }

  #begin(waiting: Waiting, signal: AbortSignal, failed: (error: unknown) => void): void {
    const work: Promise<void> = this.#try(waiting, signal)
      .catch(failed)
      .finally(() => {
        this.#underWay.delete(work);
        this.#wake();
      });
    this.#underWay.add(work);
  }

  async #try(waiting: Waiting, signal: AbortSignal): Promise<void> {
    const { book, clock, settings, random, logger } = this.options;
    const delivery = await this.#stored(() => book.read(waiting.id), signal);
    if (delivery === null) {
      book.lanes.tried(waiting, null);
      return;
    }
    const atMs = clock.nowMs();
    const outcome = await this.#outcomeOf(delivery, signal);
    // Nobody knows whether a try that was broken off has arrived, so it is made again.
    if (signal.aborted && !outcome.ok) return;
    const times = { atMs, nowMs: clock.nowMs() };
    const next = afterTry(delivery, outcome, times, { retry: settings().retry, random: random() });
    const fields = { delivery: next.id, channel: next.channel, task: next.task?.id, attempts: next.attempts };
    if (next.status === 'failed')
      logger.warn({ ...fields, error: next.tries.at(-1)?.error }, 'notification given up');
    else logger.debug({ ...fields, status: next.status }, 'notification tried');
    await this.#stored(() => book.save(next), signal);
    book.lanes.tried(waiting, next.status === 'pending' ? (book.summary(next.id) ?? null) : null);
  }

  async #outcomeOf({ id, channel, message }: Delivery, signal: AbortSignal): Promise<TryOutcome> {
    const { settings, clock } = this.options;
    const spec = settings().channels.get(channel);
    if (spec === undefined)
      return { ok: false, status: null, error: `there is no channel '${channel}' in the notifications file` };
    try {
      return await senderOf(spec)({ id, message, nowMs: clock.nowMs(), signal });
    } catch (error) {
      return { ok: false, status: null, error: error instanceof Error ? error.message : String(error) };
    }
  }

  /** What was sent is worth storing: a broker that is away is waited for. */
  async #stored<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (signal.aborted || !(error instanceof LogUnavailableError)) throw error;
        await pause(SAVE_AGAIN_MS, signal);
      }
    }
  }

  async #nextLook(signal: AbortSignal): Promise<void> {
    const { book, clock } = this.options;
    const nowMs = clock.nowMs();
    const waitMs = (book.lanes.nextAtMs(nowMs) ?? Number.POSITIVE_INFINITY) - nowMs;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(waitMs, LOOK_EVERY_MS));
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
      if (signal.aborted) done();
    });
  }
}
