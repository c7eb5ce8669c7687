import { connect, type Socket } from 'node:net';

type Answer = { readonly status: number; readonly body: string };

/**
 * One keep-alive connection with one request at a time, JSON in and out: as little as a client can cost, because it shares the
 * processors with what it measures. Understands only answers with a content length, which are all that the gateway gives to a POST.
 */
export class HttpLane {
  readonly #socket: Socket;
  #received = '';
  #settle: { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void } | null =
    null;

  constructor(private readonly base: URL) {
    this.#socket = connect(Number(base.port), base.hostname);
    this.#socket.setNoDelay(true).setEncoding('latin1');
    this.#socket.on('data', (part: string) => this.#take(part));
    this.#socket.on('error', (error) => this.#settle?.reject(error));
    this.#socket.on('close', () => this.#settle?.reject(new Error('the gateway closed the connection')));
  }

  post(path: string, body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(
        `POST ${path} HTTP/1.1\r\nhost: ${this.base.host}\r\ncontent-type: application/json\r\n` +
          `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
    });
  }

  close(): void {
    this.#settle = null;
    this.#socket.destroy();
  }

  #take(part: string): void {
    this.#received += part;
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#received.slice(0, end);
    const length = /^content-length: (\d+)$/im.exec(head)?.[1];
    if (length === undefined) {
      this.#settle?.reject(new Error(`an answer without content length: ${head}`));
      return;
    }
    const body = this.#received.slice(end + 4);
    if (body.length < Number(length)) return;
    this.#received = '';
    const settle = this.#settle;
    this.#settle = null;
    settle?.resolve({ status: Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 000'.length)), body });
  }
}
