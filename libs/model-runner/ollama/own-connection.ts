import { Agent as HttpAgent } from 'http';
import { Agent as HttpsAgent } from 'https';
import type { Duplex } from 'stream';

/**
 * A connection that belongs to one request, so that closing it stops that request and no other, and so that a
 * pool can neither run dry under long answers nor hand out a connection that the server has closed meanwhile. A new
 * connection costs under a millisecond on a local network; a model's answer costs seconds.
 */
export class OwnConnection {
  readonly agent: HttpAgent;
  readonly #sockets = new Set<Duplex>();
  readonly #closed: Promise<void>[] = [];
  #ended = false;

  constructor(
    url: string,
    private readonly connectTimeoutMs: number,
    private readonly onConnected: () => void = () => undefined,
  ) {
    this.agent = url.startsWith('https:')
      ? new HttpsAgent({ keepAlive: false, maxSockets: 1 })
      : new HttpAgent({ keepAlive: false, maxSockets: 1 });
    const secure = url.startsWith('https:');
    const create = this.agent.createConnection.bind(this.agent);
    this.agent.createConnection = (options, callback) => {
      const socket = create(options, callback);
      if (socket) this.#own(socket, secure ? 'secureConnect' : 'connect');
      return socket;
    };
  }

  /** Destroys the socket and resolves when it has closed; the server then sees the end of the connection. */
  async close(): Promise<void> {
    this.#ended = true;
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#closed);
    this.agent.destroy();
  }

  #own(socket: Duplex, connected: string): void {
    this.#sockets.add(socket);
    this.#closed.push(new Promise((resolve) => void socket.once('close', () => resolve())));
    const timer = setTimeout(() => {
      const error = new Error(`no connection within ${this.connectTimeoutMs} ms`);
      socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }));
    }, this.connectTimeoutMs);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    socket.once(connected, () => {
      clearTimeout(timer);
      if (!this.#ended) this.onConnected();
    });
    // Asked for after the close: the request was on its way through the client when it was stopped.
    if (this.#ended) socket.destroy();
  }
}
