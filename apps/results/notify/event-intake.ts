import { createHash } from 'node:crypto';
import { fitsType, ruleOfEachChannel } from '#libs/domain/notify/notification-rule.js';
import type { EventLog, LogPosition, StoredEvent } from '#libs/event-log/event-log.js';
import { pause } from '#libs/event-log/pause.js';
import type { Clock } from '#libs/runtime/clock.js';
import type { DeliveryBook } from './delivery-book.js';
import type { LinkToAnswer } from './message-link.js';
import { messageOfEvent } from './message-of-event.js';
import type { NotificationWatch } from './notification-watch.js';
import type { TaskFacts } from './task-facts.js';

const BATCH_MAX = 500;

/** What is gathered before it is looked at; nobody sees the difference in a message. */
const GATHER_MS = 50;

/** How often a position is stored behind which there was nothing to tell. */
const POSITION_EVERY_MS = 1_000;

export type EventIntakeOptions = {
  readonly log: EventLog;
  readonly book: DeliveryBook;
  readonly watch: NotificationWatch;
  readonly facts: TaskFacts;
  readonly clock: Clock;
  readonly linkToAnswer: LinkToAnswer;
  readonly onMade: () => void;
};

/** The same event and channel always give the same id. */
export const deliveryIdOf = (...of: readonly string[]): string =>
  `msg-${createHash('sha256').update(of.join(' ')).digest('hex').slice(0, 32)}`;

/**
 * Reads the log on from where it was read, and makes a delivery of each fact that a rule asks for, before it says that it has read
 * further: what happens in between happens again, and finds the deliveries there. The first rule ever begins at the end of the log.
 */
export class EventIntake {
  #storedAtMs = 0;

  constructor(private readonly options: EventIntakeOptions) {}

  async run(signal: AbortSignal): Promise<void> {
    const { watch, book } = this.options;
    while (!signal.aborted) {
      const changed = changeOf(watch, signal);
      if (watch.isKnown && watch.settings.rules.length > 0) {
        await this.#follow(signal);
      } else {
        // Rules that were taken away on purpose do not come back for what happened without them.
        if (watch.isKnown && book.position !== null) await book.moveTo(null);
        await changed.happened;
      }
      changed.forget();
    }
  }

  /** While there are rules. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { log, watch } = this.options;
    const ended = new AbortController();
    const forget = watch.onChange(() => {
      if (watch.settings.rules.length === 0) ended.abort();
    });
    const until = AbortSignal.any([signal, ended.signal]);
    const gather = async (): Promise<void> => await pause(GATHER_MS, until);
    try {
      const from = await this.#start();
      for await (const batch of log.followBatches(from, { signal: until, sizeMax: BATCH_MAX, gather })) {
        let made = 0;
        for (const event of batch) made += await this.#take(event);
        await this.#readUpTo(batch.at(-1), made);
        if (made > 0) this.options.onMade();
      }
    } finally {
      forget();
    }
  }

  async #start(): Promise<LogPosition> {
    const { book, log } = this.options;
    if (book.position !== null) return book.position;
    const from = { seq: (await log.tail()).lastSeq, hash: '' };
    await book.moveTo(from);
    return from;
  }

  /** How many deliveries it makes. */
  async #take(event: StoredEvent): Promise<number> {
    const { book, facts, watch, linkToAnswer } = this.options;
    if (event.type === 'task.submitted') facts.learn(event);
    const { rules, publicUrl } = watch.settings;
    const fitting = rules.filter((rule) => fitsType(rule, event.type));
    if (fitting.length === 0) return 0;
    const task = event.taskId === undefined ? null : ((await facts.of(event.taskId))?.task ?? null);
    const chosen = ruleOfEachChannel(fitting, task);
    for (const [channel, rule] of chosen) {
      const message = messageOfEvent(event, task, rule, { publicUrl, linkToAnswer });
      const cause = { kind: 'event', type: event.type, seq: event.seq } as const;
      await book.make({ id: deliveryIdOf(event.hash, channel), channel, cause, task, message });
    }
    return chosen.size;
  }

  async #readUpTo(last: StoredEvent | undefined, made: number): Promise<void> {
    const { book, clock } = this.options;
    const nowMs = clock.nowMs();
    if (last === undefined || (made === 0 && Math.abs(nowMs - this.#storedAtMs) < POSITION_EVERY_MS)) return;
    await book.moveTo({ seq: last.seq, hash: last.hash });
    this.#storedAtMs = nowMs;
  }
}

/** Asked for before the settings are looked at, so that no change falls between. */
const changeOf = (
  watch: NotificationWatch,
  signal: AbortSignal,
): { readonly happened: Promise<void>; readonly forget: () => void } => {
  const { promise: happened, resolve } = Promise.withResolvers<void>();
  const done = (): void => resolve();
  const forgetWatch = watch.onChange(done);
  signal.addEventListener('abort', done, { once: true });
  if (signal.aborted) done();
  const forget = (): void => {
    forgetWatch();
    signal.removeEventListener('abort', done);
  };
  return { happened, forget };
};
