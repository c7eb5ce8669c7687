import type { Readable } from 'node:stream';
import axios, { AxiosError, type AxiosInstance } from 'axios';
import { CommandError, EXIT } from '../exit-codes.js';

/** A problem as the API answers it. */
export type Problem = {
  readonly title?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly code?: string;
  readonly errors?: readonly { readonly path: string; readonly accepted?: string }[];
  readonly details?: Readonly<Record<string, unknown>>;
};

export type ApiOptions = { readonly url: string; readonly apiKey: string | undefined };

/** Answers come within seconds; what takes longer is a platform that is not well. */
const ANSWER_LIMIT_MS = 15_000;

/** A page of 200 tasks with the largest results has less. */
const ANSWER_MAX_BYTES = 256 * 1024 * 1024;

/** What the API answered with another status than success. */
export class ProblemError extends CommandError {
  constructor(
    readonly status: number,
    readonly problem: Problem | null,
  ) {
    super(exitCodeOf(status), sentenceOf(status, problem));
  }
}

/** The REST API for commands: a refusal becomes a sentence and an exit code. */
export class Api {
  readonly #http: AxiosInstance;

  constructor(readonly options: ApiOptions) {
    this.#http = axios.create({
      baseURL: options.url,
      timeout: ANSWER_LIMIT_MS,
      maxContentLength: ANSWER_MAX_BYTES,
      headers: this.headers(),
      maxRedirects: 0,
      proxy: false,
    });
  }

  headers(): Record<string, string> {
    return this.options.apiKey === undefined ? {} : { 'x-api-key': this.options.apiKey };
  }

  async call<T>(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    given: {
      readonly body?: unknown;
      readonly query?: Readonly<Record<string, unknown>>;
      readonly headers?: Record<string, string>;
    } = {},
  ): Promise<T> {
    try {
      const { query, headers } = given;
      // Without one, axios would say that there is a form.
      const body = given.body ?? (method === 'POST' ? {} : undefined);
      const response = await this.#http.request<T>({
        method,
        url: path,
        ...(body === undefined ? {} : { data: body }),
        ...(query === undefined ? {} : { params: query, paramsSerializer: { indexes: null } }),
        ...(headers === undefined ? {} : { headers }),
      });
      return response.data;
    } catch (error) {
      throw commandError(error, this.options.url);
    }
  }

  /** Sends bytes as they are read, however long that takes. */
  async send<T>(path: string, content: Readable, bytes: number): Promise<T> {
    try {
      const { data } = await this.#http.request<T>({
        method: 'POST',
        url: path,
        data: content,
        headers: { 'content-type': 'application/octet-stream', 'content-length': bytes },
        maxBodyLength: Infinity,
        timeout: 0,
      });
      return data;
    } catch (error) {
      throw commandError(error, this.options.url);
    }
  }

  /** The body as it arrives, however long that takes. */
  async open(path: string): Promise<{ readonly content: Readable; readonly etag: string }> {
    try {
      const { data, headers } = await this.#http.request<Readable>({
        url: path,
        responseType: 'stream',
        maxContentLength: Infinity,
        timeout: 0,
      });
      return { content: data, etag: String(headers['etag']) };
    } catch (error) {
      if (error instanceof AxiosError && error.response)
        throw new ProblemError(error.response.status, problemIn(await readJson(error.response.data)));
      throw commandError(error, this.options.url);
    }
  }
}

/** What an answer that was asked for as a stream says in JSON, if it does. */
const readJson = async (data: unknown): Promise<unknown> => {
  const parts: Buffer[] = [];
  for await (const part of data as Readable) parts.push(part as Buffer);
  try {
    return JSON.parse(Buffer.concat(parts).toString()) as unknown;
  } catch {
    return null;
  }
};

const commandError = (error: unknown, url: string): CommandError => {
  if (!(error instanceof AxiosError)) return new CommandError(EXIT.failed, String(error));
  const { response } = error;
  if (response !== undefined) return new ProblemError(response.status, problemIn(response.data));
  return unreachable(url, error.code ?? error.message);
};

export const unreachable = (url: string, reason: string): CommandError =>
  new CommandError(
    EXIT.unreachable,
    `The platform does not answer at ${url} (${reason}). Start it with 'orchestra up', or name another with --url.`,
  );

/** Something else may answer there, a proxy for instance, with anything. */
export const problemIn = (body: unknown): Problem | null =>
  typeof body === 'object' && body !== null ? body : null;

/** The sentence of the problem, and what is accepted for each field that is wrong. */
const sentenceOf = (status: number, problem: Problem | null): string => {
  const lines = [problem?.detail ?? problem?.title ?? `The platform answered with status ${status}.`];
  for (const { path, accepted } of problem?.errors ?? [])
    if (accepted) lines.push(`  ${path}: accepted: ${accepted}`);
  return lines.join('\n');
};

const exitCodeOf = (status: number): number => {
  if (status === 404) return EXIT.notFound;
  if (status === 503) return EXIT.unreachable;
  return status >= 500 ? EXIT.failed : EXIT.refused;
};
