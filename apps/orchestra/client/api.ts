import axios, { AxiosError, type AxiosInstance } from 'axios';
import { CommandError, EXIT } from '../exit-codes.js';

/** A problem as the API answers it. */
type Problem = {
  readonly title?: string;
  readonly status?: number;
  readonly detail?: string;
  readonly errors?: readonly { readonly path: string; readonly accepted?: string }[];
};

export type ApiOptions = { readonly url: string; readonly apiKey: string | undefined };

/** Answers come within seconds; what takes longer is a platform that is not well. */
const TIMEOUT_MS = 15_000;

/** The REST API for commands: a refusal becomes a sentence and an exit code. */
export class Api {
  readonly #http: AxiosInstance;

  constructor(readonly options: ApiOptions) {
    this.#http = axios.create({
      baseURL: options.url,
      timeout: TIMEOUT_MS,
      headers: this.headers(),
      maxRedirects: 0,
      proxy: false,
    });
  }

  headers(): Record<string, string> {
    return this.options.apiKey === undefined ? {} : { 'x-api-key': this.options.apiKey };
  }

  async call<T>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    given: {
      readonly body?: unknown;
      readonly query?: Readonly<Record<string, unknown>>;
      readonly headers?: Record<string, string>;
    } = {},
  ): Promise<T> {
    try {
      const { body, query, headers } = given;
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
}

const commandError = (error: unknown, url: string): CommandError => {
  if (!(error instanceof AxiosError)) return new CommandError(EXIT.failed, String(error));
  const { response } = error;
  if (response === undefined) {
    return new CommandError(
      EXIT.unreachable,
      `The platform does not answer at ${url} (${error.code ?? error.message}). Start it with 'orchestra up', or name another with --url.`,
    );
  }
  return problemError(response.status, response.data as Problem);
};

/** The sentence of the problem, and what is accepted for each field that is wrong. */
export const problemError = (status: number, problem: Problem | null): CommandError => {
  const lines = [problem?.detail ?? problem?.title ?? `the platform answered ${status}`];
  for (const { path, accepted } of problem?.errors ?? [])
    if (accepted) lines.push(`  ${path}: accepted: ${accepted}`);
  const code =
    status === 404
      ? EXIT.notFound
      : status >= 500
        ? status === 503
          ? EXIT.unreachable
          : EXIT.failed
        : EXIT.refused;
  return new CommandError(code, lines.join('\n'));
};
