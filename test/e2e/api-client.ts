import type { TaskView } from '#libs/contracts/queries.js';

/** What a client of the REST API does, for tests: JSON in and out, and waiting for a condition. */
export class ApiClient {
  constructor(readonly url: string) {}

  async call<T>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: T }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as T };
  }

  /** Submits until accepted: while services are being killed, a gateway may be away or answer 5xx. The key makes it one task. */
  async submit(request: object, idempotencyKey: string): Promise<string> {
    return await until(async () => {
      const response = await fetch(`${this.url}/api/v1/tasks`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
        body: JSON.stringify(request),
      });
      if (response.status >= 500) return undefined;
      const body = (await response.json()) as { id?: string };
      if (body.id === undefined)
        throw new Error(`submission refused with ${response.status}: ${JSON.stringify(body)}`);
      return body.id;
    });
  }

  async task(id: string): Promise<TaskView | undefined> {
    const { status, body } = await this.call<TaskView>('GET', `/api/v1/tasks/${id}`);
    return status === 200 ? body : undefined;
  }

  async ended(id: string): Promise<TaskView> {
    return await until(async () => {
      const view = await this.task(id);
      return view !== undefined && ['completed', 'failed', 'cancelled'].includes(view.status)
        ? view
        : undefined;
    });
  }
}

/** Between two looks at a condition. */
const LOOK_EVERY_MS = 50;

/** Longest wait for a condition; what takes longer is broken. */
const WAIT_MAX_MS = 120_000;

/** Looks again and again until there is a value; an error of the connection counts as "not yet". */
export const until = async <T>(look: () => Promise<T | undefined>, what = 'the condition'): Promise<T> => {
  const deadline = Date.now() + WAIT_MAX_MS;
  let last: unknown = 'never looked';
  while (Date.now() < deadline) {
    try {
      const value = await look();
      if (value !== undefined) return value;
      last = 'not yet';
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('submission refused')) throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`waited ${WAIT_MAX_MS} ms for ${what}; last: ${String(last)}`);
};
