import { setTimeout as wait } from 'node:timers/promises';
import { CommandError, EXIT } from '../exit-codes.js';
import { problemIn, ProblemError, unreachable, type Api } from './api.js';
import { parseEvents, type StreamEvent } from './parse-events.js';

/** Pause before coming back to a stream that broke off; the server names the same. */
const RETRY_MS = 1_000;

/** Tries in a row that bring nothing, after which the platform counts as gone. */
const TRIES_MAX = 30;

/** The API says something every 10 s; a connection that is silent for longer is dead, whatever it looks like. */
const SILENCE_MAX_MS = 35_000;

const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

/**
 * Events of a task until it is over. A broken connection goes on behind the last id, so no state is missed or seen twice. A
 * platform that does not answer the first time is not there; later it may be restarting.
 */
export async function* followTask(api: Api, taskId: string): AsyncIterable<StreamEvent> {
  let lastId: string | null = null;
  let connected = false;
  let reason = '';
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    if (tries > 0) await wait(RETRY_MS);
    try {
      for await (const event of openStream(api, taskId, lastId)) {
        connected = true;
        tries = 0;
        lastId = event.id ?? lastId;
        yield event;
        if (OVER.has(event.event)) return;
      }
    } catch (error) {
      if (error instanceof ProblemError && error.status < 500) throw error;
      reason = causeOf(error);
      if (!connected) throw error instanceof CommandError ? error : unreachable(api.options.url, reason);
    }
  }
  throw new CommandError(
    EXIT.unreachable,
    `The stream of task ${taskId} broke off, and ${TRIES_MAX} tries to go on failed: ${reason || 'it ends at once'}.`,
  );
}

async function* openStream(api: Api, taskId: string, lastId: string | null): AsyncIterable<StreamEvent> {
  const silent = new AbortController();
  const alarm = setTimeout(() => silent.abort(), SILENCE_MAX_MS);
  try {
    const response = await fetch(`${api.options.url}/api/v1/tasks/${encodeURIComponent(taskId)}/stream`, {
      headers: { ...api.headers(), ...(lastId === null ? {} : { 'last-event-id': lastId }) },
      signal: silent.signal,
    });
    if (!response.ok)
      throw new ProblemError(response.status, problemIn(await response.json().catch(() => null)));
    yield* parseEvents(heard(response.body, () => alarm.refresh()));
  } finally {
    clearTimeout(alarm);
  }
}

async function* heard(body: AsyncIterable<Uint8Array> | null, onPart: () => void): AsyncIterable<Uint8Array> {
  for await (const part of body ?? []) {
    onPart();
    yield part;
  }
}

/** `fetch` hides the cause ("fetch failed"). */
const causeOf = (error: unknown): string => {
  const { cause, message } = error as {
    readonly cause?: { readonly code?: string; readonly message?: string };
    readonly message?: string;
  };
  return cause?.code ?? cause?.message ?? message ?? String(error);
};
