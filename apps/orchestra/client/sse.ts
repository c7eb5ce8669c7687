import { CommandError, EXIT } from '../exit-codes.js';
import { problemError, type Api } from './api.js';

export type StreamEvent = { readonly id: string | null; readonly event: string; readonly data: unknown };

/** Pause before coming back to a stream that broke off; the server names the same. */
const RETRY_MS = 1_000;

/** Tries in a row that bring nothing, after which the platform counts as gone. */
const TRIES_MAX = 30;

const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

/** Events of a task until it is over. A broken connection goes on behind the last id; no state is missed or seen twice. */
export async function* followTask(api: Api, taskId: string): AsyncIterable<StreamEvent> {
  let lastId: string | null = null;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    try {
      const headers: Record<string, string> = {
        ...api.headers(),
        ...(lastId === null ? {} : { 'last-event-id': lastId }),
      };
      const response: Response = await fetch(
        `${api.options.url}/api/v1/tasks/${encodeURIComponent(taskId)}/stream`,
        { headers },
      );
      if (!response.ok)
        throw problemError(response.status, (await response.json().catch(() => null)) as never);
      for await (const event of parseEvents(response.body)) {
        tries = 0;
        lastId = event.id ?? lastId;
        yield event;
        if (OVER.has(event.event)) return;
      }
    } catch (error) {
      if (error instanceof CommandError && error.exitCode !== EXIT.unreachable) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  throw new CommandError(
    EXIT.unreachable,
    `The stream of task ${taskId} broke off and ${TRIES_MAX} tries to go on failed.`,
  );
}

/** Splits a server-sent event stream (WHATWG HTML, section 9.2) into events; comments are passed over. */
export async function* parseEvents(body: AsyncIterable<Uint8Array> | null): AsyncIterable<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of body ?? []) {
    rest += decoder.decode(part, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = parseEvent(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (event) yield event;
    }
  }
}

const parseEvent = (block: string): StreamEvent | null => {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, '');
    fields.set(name, fields.has(name) ? `${fields.get(name)}\n${value}` : value);
  }
  const data = fields.get('data');
  if (data === undefined) return null;
  return {
    id: fields.get('id') ?? null,
    event: fields.get('event') ?? 'message',
    data: JSON.parse(data) as unknown,
  };
};
