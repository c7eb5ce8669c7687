import { setTimeout as wait } from 'node:timers/promises';

/** Election, replay of a log and the first look at every server; more than this and something is wrong. */
const READY_LIMIT_MS = 60_000;
const LOOK_EVERY_MS = 50;

/** Health of a service that hangs is answered for it within a few seconds. */
const ANSWER_LIMIT_MS = 10_000;

/** Resolves when the API says that every service is ready; rejects with what it says is not. */
export const waitUntilReady = async (
  apiUrl: string,
  apiKey: string | undefined,
  signal?: AbortSignal,
): Promise<void> => {
  const limit = Date.now() + READY_LIMIT_MS;
  for (;;) {
    signal?.throwIfAborted();
    const problem = await whatIsNotReady(apiUrl, apiKey);
    if (problem === null) return;
    if (Date.now() > limit) throw new Error(`not ready after ${READY_LIMIT_MS} ms: ${problem}`);
    await wait(LOOK_EVERY_MS);
  }
};

const whatIsNotReady = async (apiUrl: string, apiKey: string | undefined): Promise<string | null> => {
  try {
    const response = await fetch(`${apiUrl}/health/ready`, {
      headers: apiKey ? { 'x-api-key': apiKey } : {},
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    if (response.ok) {
      await response.body?.cancel();
      return null;
    }
    const { detail } = (await response.json()) as { readonly detail?: string };
    return detail ?? `the API answers ${response.status}`;
  } catch (error) {
    return String(error);
  }
};
