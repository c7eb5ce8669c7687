import type { FastifyReply, FastifyRequest } from 'fastify';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Bytes that a slow reader may leave unread before tokens are left out for it; facts are never left out. */
const UNREAD_MAX_BYTES = 1024 * 1024;

/** A reader that takes nothing for this long is gone; its connection may only look alive. */
const STALLED_MAX_MS = 60_000;

/** One answer of server-sent events. It begins with the first event, so that until then it can still be another answer. */
export class EventStream {
  readonly #out: ServerResponse;
  #begun = false;

  constructor(
    private readonly request: FastifyRequest,
    private readonly reply: FastifyReply,
    private readonly ending: AbortController,
  ) {
    this.#out = reply.raw;
    // Of the response, because that of a request without a body is over at once.
    this.#out.once('close', () => ending.abort());
  }

  get begun(): boolean {
    return this.#begun;
  }

  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    const headers = this.reply.getHeaders() as Record<string, string>;
    this.reply.hijack();
    this.#out.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // The connection ends with the stream; kept alive, it would hold up a gateway that is stopping.
      connection: 'close',
      'x-accel-buffering': 'no',
    });
    if (this.request.method === 'HEAD') this.ending.abort();
    else this.#out.write('retry: 1000\n\n');
  }

  /** Resolves when the reader keeps up. Ends the stream of a reader that takes nothing any more. */
  async send(event: string): Promise<void> {
    this.begin();
    if (this.ending.signal.aborted || this.#out.write(event)) return;
    const stalled = AbortSignal.timeout(STALLED_MAX_MS);
    const signal = AbortSignal.any([this.ending.signal, stalled]);
    await once(this.#out, 'drain', { signal }).catch(() => {
      if (stalled.aborted) this.#out.destroy();
      this.ending.abort();
    });
  }

  /** For what may be lost: left out where the reader is far behind, or where nothing has begun. */
  sendIfRoom(event: string): void {
    if (!this.#begun || this.ending.signal.aborted) return;
    if (this.#out.writableLength <= UNREAD_MAX_BYTES) this.#out.write(event);
  }

  comment(text: string): void {
    this.sendIfRoom(`: ${text}\n\n`);
  }

  /** A stream that never began has nothing to tell: 204, after which a browser does not come back. */
  end(): void {
    if (this.#begun) this.#out.end();
    else void this.reply.status(204).send();
  }
}
