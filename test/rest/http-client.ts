import { request, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

export type Sent = {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, text as it is. */
  readonly body?: unknown;
};

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; null when it is none. */
  readonly json: unknown;
};

/** Sends exactly what it is told: no checks, no redirects, no retries. */
export const send = async (url: string, { method, path, headers = {}, body }: Sent): Promise<Answer> => {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const target = new URL(url);
  return await new Promise((resolve, reject) => {
    const call = request(
      {
        host: target.hostname,
        port: target.port,
        method,
        path,
        headers: {
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          ...headers,
        },
        agent: false,
      },
      (response) => {
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (received += part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: received,
            json: jsonOf(received),
          }),
        );
      },
    );
    call.on('error', reject);
    call.end(text);
  });
};

/** Writes bytes to the port and reads until the server closes. */
export const sendRaw = async (url: string, bytes: string): Promise<string> => {
  const target = new URL(url);
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(target.port), target.hostname, () => socket.write(bytes));
    let received = '';
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => (received += part));
    socket.on('end', () => resolve(received));
    socket.on('error', reject);
  });
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};
