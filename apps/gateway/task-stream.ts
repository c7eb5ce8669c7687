import type { NatsConnection } from '@nats-io/transport-node';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { LiveMessage } from '#libs/contracts/reports.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { ApiError } from './http/problem.js';
import { lastEventIdOf } from './http/request-parts.js';
import { itemOf } from './task-history.js';

/** Proxies close silent connections after half a minute or more. */
const PING_EVERY_MS = 10_000;

/** Bytes that a slow reader may leave unread before tokens are left out for it; state is never left out. */
const UNREAD_MAX_BYTES = 1024 * 1024;

const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

/**
 * Server-sent events of one task: its facts from the log, each with its sequence as id, and between them tokens and progress,
 * which are not stored and have no id. A reader that comes back with the last id misses no fact. The stream ends with the fact that
 * ends the task.
 */
export class TaskStream {
  readonly #open = new Set<AbortController>();

  constructor(
    private readonly connection: NatsConnection,
    private readonly tasks: EventLog,
    private readonly streamsMax: number,
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
    if (this.#open.size >= this.streamsMax) {
      throw new ApiError(
        'RATE_LIMITED',
        `${this.#open.size} streams are open and ${this.streamsMax} are allowed; try again later.`,
      );
    }
    const { lastSeq } = await this.tasks.tail();
    if (afterSeq > lastSeq) {
      throw new ApiError(
        'VALIDATION_FAILED',
        `Last-Event-ID ${afterSeq} lies behind the end of the log, which is ${lastSeq}.`,
      );
    }
    const ending = new AbortController();
    this.#open.add(ending);
    request.raw.once('close', () => ending.abort());
    reply.hijack();
    const out = reply.raw;
    out.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    out.write('retry: 1000\n\n');
    try {
      await this.#copy(taskId, afterSeq, out, ending.signal);
    } finally {
      this.#open.delete(ending);
      out.end();
    }
  }

  /** Ends all streams; readers come back with their last id. */
  close(): void {
    for (const ending of this.#open) ending.abort();
  }

  async #copy(taskId: string, afterSeq: number, out: ServerResponse, signal: AbortSignal): Promise<void> {
    const ping = setInterval(() => out.write(': ping\n\n'), PING_EVERY_MS);
    const live = this.connection.subscribe(SUBJECTS.live(taskId), {
      callback: (error, message) => {
        if (error || out.writableLength > UNREAD_MAX_BYTES) return;
        const { kind, ...data } = message.json<LiveMessage>();
        out.write(`event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
      },
    });
    try {
      const filterSubject = `evt.task.${taskId}.>`;
      for await (const event of this.tasks.follow({ seq: afterSeq, hash: '' }, { filterSubject, signal })) {
        const flowing = out.write(
          `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(itemOf(event))}\n\n`,
        );
        if (!flowing) await Promise.race([once(out, 'drain'), once(signal, 'abort')]);
        if (signal.aborted || OVER.has(event.type)) return;
      }
    } finally {
      clearInterval(ping);
      live.unsubscribe();
    }
  }
}
