import { Agent, request } from 'node:http';

/** A keep-alive client for load: one connection per lane, JSON in and out, no redirects, no retries. */
export class HttpLoad {
  readonly #agent: Agent;

  constructor(
    private readonly base: URL,
    lanes: number,
  ) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: lanes, scheduling: 'fifo' });
  }

  async post(path: string, body: string): Promise<{ readonly status: number; readonly body: string }> {
    return await new Promise((resolve, reject) => {
      const call = request(
        {
          agent: this.#agent,
          host: this.base.hostname,
          port: this.base.port,
          path,
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (part: string) => (text += part));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
          response.on('error', reject);
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
