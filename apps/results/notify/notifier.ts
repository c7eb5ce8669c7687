import type {
  ChannelsReply,
  DeliveriesReply,
  DeliveriesRequest,
  DeliveryReply,
  NotifyReply,
  NotifyRequest,
} from '#libs/contracts/notify-rpc.js';
import type { Failure } from '#libs/domain/errors.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { Candidacy, Held } from '#libs/event-log/leadership.js';
import { pause } from '#libs/event-log/pause.js';
import type { RecordStore } from '#libs/event-log/record-store.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { HealthCheck } from '#libs/runtime/health.js';
import type { Logger } from '#libs/runtime/logger.js';
import { NotLeadingError } from '#libs/runtime/not-leading-error.js';
import { Deliverer } from './deliverer.js';
import { DeliveryBook, type BookLimits } from './delivery-book.js';
import { deliveryPage } from './delivery-page.js';
import { deliveryIdOf, EventIntake } from './event-intake.js';
import type { LinkToAnswer } from './message-link.js';
import type { NotificationWatch } from './notification-watch.js';
import { TaskFacts } from './task-facts.js';

export type NotifierOptions = {
  readonly log: EventLog;
  readonly store: RecordStore;
  readonly candidacy: Candidacy;
  readonly watch: NotificationWatch;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  readonly linkToAnswer: LinkToAnswer;
  readonly limits?: BookLimits;
  readonly logger: Logger;
};

/** Pause before it stands again after a term that failed. */
const AGAIN_AFTER_MS = 500;

type Term = {
  readonly book: DeliveryBook;
  readonly deliverer: Deliverer;
  readonly facts: TaskFacts;
  readonly end: (reason: unknown) => void;
};

/**
 * Makes messages of facts and delivers them: one process at a time, the one that holds the office `notifier`. What it knows is in the store
 * before it acts on it, so whoever follows it goes on where it was.
 */
export class Notifier {
  #term: Term | null = null;
  #problem: string | null = null;

  constructor(private readonly options: NotifierOptions) {}

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { candidacy, logger } = this.options;
    while (!signal.aborted) {
      let held: Held | null = null;
      try {
        held = await candidacy.acquire(signal);
        await this.#lead(held, signal);
        this.#problem = null;
      } catch (error) {
        if (signal.aborted) break;
        this.#problem = error instanceof Error ? error.message : String(error);
        logger.warn({ error: this.#problem }, 'notifications rest; trying again');
        await pause(AGAIN_AFTER_MS, signal);
      } finally {
        await held?.release();
      }
    }
  }

  readonly health: HealthCheck = () => ({
    reasons: [...this.options.watch.problems, ...(this.#problem === null ? [] : [this.#problem])],
    progress: {
      notifier: this.#term !== null,
      ...(this.#term === null
        ? {}
        : {
            notificationsWaiting: this.#term.book.figures.waiting,
            notificationsKept: this.#term.book.figures.kept,
          }),
    },
  });

  async notify(request: NotifyRequest): Promise<NotifyReply> {
    const { book, facts, deliverer } = this.#led();
    const unknown = this.#unknownChannel(request.channel);
    if (unknown !== null) return { ok: false, failure: unknown };
    const known = await facts.of(request.taskId);
    if (known === null)
      return {
        ok: false,
        failure: { code: 'TASK_UNKNOWN', message: `There is no task '${request.taskId}'.` },
      };
    const { stepId, channel, title, text, link = null } = request;
    const id = deliveryIdOf('step', known.hash, stepId, channel);
    const at = rfc3339(this.options.clock.nowMs());
    const data = { task: known.task, step_id: stepId };
    const message = { type: 'notification', at, title, text, link, data };
    await this.#within(() =>
      book.make({ id, channel, cause: { kind: 'step', stepId }, task: known.task, message }),
    );
    deliverer.look();
    await book.untilOver(id, request.waitMs);
    const delivery = book.summary(id);
    if (delivery === undefined) throw new NotLeadingError('another one leads by now');
    return { ok: true, delivery };
  }

  async test(channel: string): Promise<DeliveryReply> {
    const { book, deliverer } = this.#led();
    const unknown = this.#unknownChannel(channel);
    if (unknown !== null) return { ok: false, failure: unknown };
    const id = deliveryIdOf('test', this.options.newId());
    const message = {
      type: 'test',
      at: rfc3339(this.options.clock.nowMs()),
      title: 'Test of a channel',
      text: `AI Task Orchestra can reach the channel '${channel}'.`,
      link: null,
      data: {},
    };
    await this.#within(() => book.make({ id, channel, cause: { kind: 'test' }, task: null, message }));
    deliverer.look();
    return await this.delivery(id);
  }

  deliveries(request: DeliveriesRequest): DeliveriesReply {
    return deliveryPage(this.#led().book.newestFirst(), request);
  }

  async delivery(id: string): Promise<DeliveryReply> {
    const delivery = await this.#led().book.read(id);
    return delivery === null ? { ok: false, failure: noSuchDelivery(id) } : { ok: true, delivery };
  }

  async resend(id: string): Promise<DeliveryReply> {
    const { book, deliverer } = this.#led();
    const delivery = await this.#within(() => book.sendAgain(id));
    deliverer.look();
    return delivery === null ? { ok: false, failure: noSuchDelivery(id) } : { ok: true, delivery };
  }

  channels(): ChannelsReply {
    const { book } = this.#led();
    const { settings, problems } = this.options.watch;
    const items = [...settings.channels].map(([name, { type }]) => ({
      name,
      type,
      rules: settings.rules.filter(({ channels }) => channels.includes(name)).length,
      waiting: book.lanes.waiting(name),
    }));
    return { items, problems };
  }

  #led(): Term {
    if (this.#term === null) throw new NotLeadingError('another one leads');
    return this.#term;
  }

  /** Somebody else has the book: the term is over, and its follower answers. */
  async #within<T>(act: () => Promise<T>): Promise<T> {
    const { end } = this.#led();
    try {
      return await act();
    } catch (error) {
      end(error);
      throw error;
    }
  }

  #unknownChannel(channel: string): Failure | null {
    const { settings, problems } = this.options.watch;
    if (settings.channels.has(channel)) return null;
    const there = [...settings.channels.keys()].join(', ') || 'none';
    const wrong = problems.length === 0 ? '' : ` The file is not valid: ${problems[0] ?? ''}`;
    const message = `There is no channel '${channel}' in the notifications file; there are: ${there}.${wrong}`;
    return { code: 'CHANNEL_UNKNOWN', message, details: { channel } };
  }

  async #lead(held: Held, signal: AbortSignal): Promise<void> {
    const { store, clock, log, watch, logger, random, limits } = this.options;
    const ending = new AbortController();
    void held.lost.then((reason) => ending.abort(reason));
    const until = AbortSignal.any([signal, ending.signal]);
    const book = await DeliveryBook.open(store, clock, limits);
    const facts = new TaskFacts(log);
    const deliverer = new Deliverer({ book, settings: () => watch.settings, clock, random, logger });
    const { linkToAnswer } = this.options;
    const onMade = (): void => deliverer.look();
    const intake = new EventIntake({ log, book, watch, facts, clock, linkToAnswer, onMade });
    const forget = watch.onChange(() => deliverer.look());
    this.#term = { book, deliverer, facts, end: (reason) => ending.abort(reason) };
    this.#problem = null;
    logger.info(book.figures, 'notifier leads');
    try {
      const parts = [intake.run(until), deliverer.run(until)].map(async (part) => {
        try {
          await part;
        } catch (error) {
          ending.abort(error);
          throw error;
        }
      });
      const failed = (await Promise.allSettled(parts)).find((part) => part.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      if (!signal.aborted) throw ending.signal.reason;
    } finally {
      this.#term = null;
      forget();
    }
  }
}

const noSuchDelivery = (id: string): Failure => ({
  code: 'DELIVERY_UNKNOWN',
  message: `There is no notification '${id}'; those that are over are kept for 30 days, and the last 10,000 of them.`,
  details: { id },
});
