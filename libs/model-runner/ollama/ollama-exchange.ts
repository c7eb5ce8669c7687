import type { Readable } from 'stream';
import axios from 'axios';
import { ModelRunnerError } from '../model-runner-error.js';
import { statusError, transportError } from './ollama-errors.js';
import type { OllamaSettings } from './ollama-options.js';
import { OwnConnection } from './own-connection.js';
import { Watchdog } from './watchdog.js';

export type Call = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** Milliseconds without a byte from the server, to the first one and between two later ones. */
  readonly firstByteTimeoutMs: number;
  readonly betweenBytesTimeoutMs: number;
  /** Called once, when the connection stands and the request is on its way. */
  readonly onConnected?: () => void;
};

/** Request bodies carry images, which are the only large thing that is sent: 64 MiB is about 48 MiB of pictures. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;

/** An error answer is a sentence; reading on would only serve a server that is not an Ollama. */
const ERROR_BODY_BYTES_MAX = 64 * 1024;

/**
 * One request to the server and the bytes of its answer, on a connection of its own. `close` may be called at any
 * moment, and is always called at the end; what is being read then fails.
 */
export class OllamaExchange {
  readonly what: string;
  readonly #connection: OwnConnection;
  readonly #stop = new AbortController();
  readonly #watchdog: Watchdog;
  #answering = false;

  constructor(
    private readonly settings: OllamaSettings,
    private readonly call: Call,
  ) {
    this.what = `${call.method} ${settings.baseUrl}${call.path}`;
    this.#connection = new OwnConnection(settings.baseUrl, settings.connectTimeoutMs, call.onConnected);
    this.#watchdog = new Watchdog(() => void this.close());
  }

  close(): Promise<void> {
    this.#watchdog.stop();
    this.#stop.abort();
    return this.#connection.close();
  }

  /** The chunks of a successful answer as they come; everything else is thrown as a `ModelRunnerError`. */
  async *chunks(): AsyncGenerator<Buffer, void> {
    try {
      this.#watchdog.expect(this.call.firstByteTimeoutMs, 'the first byte of the answer');
      const { status, headers, data } = await this.#send();
      if (status !== 200) throw await this.#refused(status, data, headers['location']);
      for await (const chunk of data) {
        this.#answering = true;
        this.#watchdog.expect(this.call.betweenBytesTimeoutMs, 'the next part of the answer');
        yield chunk as Buffer;
      }
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.#watchdog.stop();
    }
  }

  #send() {
    const { call, settings } = this;
    return axios.request<Readable>({
      method: call.method,
      url: `${settings.baseUrl}${call.path}`,
      ...(call.body === undefined ? {} : { data: call.body }),
      responseType: 'stream',
      httpAgent: this.#connection.agent,
      httpsAgent: this.#connection.agent,
      // Inference servers are neighbours: a proxy of the environment must not carry prompts elsewhere.
      proxy: false,
      // A redirect would carry a prompt to a place that nobody configured.
      maxRedirects: 0,
      maxBodyLength: REQUEST_BYTES_MAX,
      signal: this.#stop.signal,
      validateStatus: () => true,
    });
  }

  async #refused(status: number, body: Readable, location: unknown): Promise<ModelRunnerError> {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      parts.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > ERROR_BODY_BYTES_MAX) break;
    }
    const text = Buffer.concat(parts).toString('utf8');
    return statusError(this.what, status, text, typeof location === 'string' ? location : undefined);
  }

  #failure(error: unknown): ModelRunnerError {
    const { expired } = this.#watchdog;
    if (expired === undefined) return transportError(this.what, error, this.#answering);
    return new ModelRunnerError(
      'NO_PROGRESS',
      `${this.what}: ${expired.awaited} did not come within ${expired.ms} ms`,
      {
        waitedMs: expired.ms,
      },
    );
  }
}
