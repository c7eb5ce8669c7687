import type { IncomingMessage, ServerResponse } from 'http';
import { HttpFailure } from './http-failure.js';

/** One request to the simulated server and the ways in which it is answered. */
export class Exchange {
  /** Aborted when the client goes away before the answer is complete. */
  readonly signal: AbortSignal;

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
  ) {
    const gone = new AbortController();
    this.signal = gone.signal;
    response.on('close', () => {
      if (!response.writableFinished) gone.abort(new Error('the client closed the connection'));
    });
  }

  json(status: number, body: unknown): void {
    const text = JSON.stringify(body);
    this.response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    });
    this.response.end(this.request.method === 'HEAD' ? undefined : text);
  }

  plain(status: number, text: string, contentType = 'text/plain'): void {
    this.response.writeHead(status, {
      'content-type': contentType,
      'content-length': Buffer.byteLength(text),
    });
    this.response.end(this.request.method === 'HEAD' ? undefined : text);
  }

  /** A line of a stream; the first one sends the header. */
  line(value: unknown): void {
    if (this.response.destroyed) return;
    if (!this.response.headersSent) this.response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    this.response.write(`${JSON.stringify(value)}\n`);
  }

  end(): void {
    this.response.end();
  }

  /** Closes the connection under the client once what was written has left; what it has not read yet may be lost to it. */
  breakOff(): void {
    setImmediate(() => this.response.socket?.destroySoon());
  }

  /** Before the first line a status, after it a line: the status is already sent then. */
  fail(failure: HttpFailure): void {
    if (!this.response.headersSent) return this.json(failure.status, { error: failure.message });
    this.line({ error: failure.message });
    this.end();
  }

  /** The body as an object, or the refusal of the real server. */
  async body(): Promise<Readonly<Record<string, unknown>>> {
    const parts: Buffer[] = [];
    for await (const part of this.request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString('utf8').trim();
    if (text === '') throw new HttpFailure(400, 'missing request body');
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      throw new HttpFailure(400, goJsonError(text));
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
      throw new HttpFailure(
        400,
        `json: cannot unmarshal ${goType(parsed)} into Go value of type api.Request`,
      );
    }
    return parsed as Readonly<Record<string, unknown>>;
  }
}

/** The commonest of the sentences of Go's JSON decoder. */
const goJsonError = (text: string): string => {
  const key = /^\{\s*([^"}\s])/.exec(text)?.[1];
  if (key !== undefined) return `invalid character '${key}' looking for beginning of object key string`;
  const first = /^[^{["\dtfn-]/.exec(text)?.[0];
  return first === undefined
    ? 'unexpected EOF'
    : `invalid character '${first}' looking for beginning of value`;
};

export const goType = (value: unknown): string => {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
};
