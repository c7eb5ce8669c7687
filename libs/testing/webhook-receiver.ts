import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export type Received = {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** What it was answered. */
  readonly status: number;
};

/** A receiver of messages on loopback that answers as it is told and keeps what it was sent. */
export class WebhookReceiver {
  readonly received: Received[] = [];
  /** The status for a request; 0 hangs without an answer. */
  answer: (received: Omit<Received, 'status'>) => number = () => 204;
  readonly #server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const seen = {
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString(),
      };
      const status = this.answer(seen);
      this.received.push({ ...seen, status });
      if (status !== 0) response.writeHead(status).end(status < 300 ? '' : 'not now');
    });
  });

  static async start(port = 0): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    receiver.#server.listen(port, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What it accepted. */
  get taken(): readonly Received[] {
    return this.received.filter(({ status }) => status >= 200 && status < 300);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
