import type { NatsConnection } from '@nats-io/transport-node';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { LiveMessage } from '#libs/contracts/reports.js';
import { START, type EventLog, type StoredEvent } from '#libs/event-log/event-log.js';
import type { Logger } from '#libs/runtime/logger.js';
import { EventStream } from './http/event-stream.js';
import { ApiError } from './http/problem.js';
import { lastEventIdOf } from './http/request-parts.js';
import { itemOf } from './task-history.js';
import type { ToldPosition } from './told-position.js';

/** Proxies close silent connections after half a minute or more. */
const PING_EVERY_MS = 10_000;

const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

/** What was found in a task's history: nothing, where it goes on from, or that it is over. */
type Past = { readonly seq: number; readonly over: boolean };

/**
 * Server-sent events of one task: its facts from the log, each with its sequence as id, and between them tokens and progress,
 * which are not stored and have no id. A reader that comes back with the last id misses no fact. The stream ends with the fact that
 * ends the task; who comes back after it is told that there is nothing more (204), which ends a browser's reconnecting.
 */
export class TaskStream {
  readonly #open = new Set<AbortController>();

  constructor(
    private readonly connection: NatsConnection,
    private readonly tasks: EventLog,
    private readonly streamsMax: number,
    private readonly logger: Logger,
    private readonly position: ToldPosition,
  ) {}

  get open(): number {
    return this.#open.size;
  }

  async serve(
    taskId: string,
    lastEventId: string | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const afterSeq = lastEventIdOf(lastEventId);
    this.#checkRoom();
    const ending = new AbortController();
    this.#open.add(ending);
    const out = new EventStream(request, reply, ending);
    try {
      await this.#checkPlace(afterSeq);
      await this.#copy(taskId, afterSeq, out, ending.signal);
      if (!out.begun && ending.signal.aborted)
        throw new ApiError('SERVICE_UNAVAILABLE', 'This gateway is stopping; try again.');
      out.end();
    } catch (error) {
      if (!out.begun) throw error;
      // The answer has begun, so all there is to say is that it ends; the reader comes back with its last id.
      if (!ending.signal.aborted) this.logger.warn({ taskId, error: String(error) }, 'event stream broke');
      out.end();
    } finally {
      this.#open.delete(ending);
    }
  }

  /** Ends all streams; readers come back with their last id. */
  close(): void {
    for (const ending of this.#open) ending.abort();
  }

  #checkRoom(): void {
    if (this.#open.size < this.streamsMax) return;
    const message = `${this.#open.size} streams are open; at most ${this.streamsMax} are accepted. Try again later.`;
    throw new ApiError('RATE_LIMITED', message, [], undefined, { 'retry-after': '5' });
  }

  async #checkPlace(afterSeq: number): Promise<void> {
    if (afterSeq === 0) return;
    const { lastSeq } = await this.tasks.tail();
    if (afterSeq <= lastSeq) return;
    const accepted = `a whole number from 0 to ${lastSeq}, the end of the log`;
    throw new ApiError(
      'VALIDATION_FAILED',
      `Last-Event-ID ${afterSeq} is not accepted; expected ${accepted}.`,
      [{ path: 'Last-Event-ID', value: afterSeq, message: 'lies behind the end of the log', accepted }],
    );
  }

  async #copy(taskId: string, afterSeq: number, out: EventStream, signal: AbortSignal): Promise<void> {
    const filterSubjects = [SUBJECTS.task(taskId, '>')];
    // Subscribed before the history is read: a token that comes meanwhile waits behind it.
    const early: LiveMessage[] = [];
    let copying = false;
    const live = this.connection.subscribe(SUBJECTS.live(taskId), {
      callback: (error, message) => {
        if (error) return;
        const token = message.json<LiveMessage>();
        if (copying) sendLive(out, token);
        else if (early.length < EARLY_MAX) early.push(token);
      },
    });
    const ping = setInterval(() => out.comment('ping'), PING_EVERY_MS);
    try {
      const past = await this.#copyPast(filterSubjects, afterSeq, out, signal);
      if (past === null) throw new ApiError('TASK_UNKNOWN', `There is no task '${taskId}'.`);
      if (past.over || signal.aborted) return;
      out.begin();
      for (const token of early) sendLive(out, token);
      copying = true;
      for await (const event of this.tasks.follow({ seq: past.seq, hash: '' }, { filterSubjects, signal })) {
        this.position.told(event.seq);
        await sendFact(out, event);
        if (signal.aborted || OVER.has(event.type)) return;
      }
    } finally {
      clearInterval(ping);
      live.unsubscribe();
    }
  }

  /** From the first fact on, because only all of them tell whether the task exists and whether it is over. */
  async #copyPast(
    filterSubjects: readonly string[],
    afterSeq: number,
    out: EventStream,
    signal: AbortSignal,
  ): Promise<Past | null> {
    let past = null as Past | null;
    for await (const event of this.tasks.replay(START, { filterSubjects, signal })) {
      // Behind the end there may be more: that an artifact was removed.
      past = { seq: event.seq, over: past?.over === true || OVER.has(event.type) };
      this.position.told(event.seq);
      if (event.seq > afterSeq) await sendFact(out, event);
    }
    return past;
  }
}

/** Tokens kept while the history is read; some seconds of a fast model. */
const EARLY_MAX = 1_000;

const sendFact = async (out: EventStream, event: StoredEvent): Promise<void> =>
  await out.send(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(itemOf(event))}\n\n`);

const sendLive = (out: EventStream, { kind, ...data }: LiveMessage): void =>
  out.sendIfRoom(`event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
