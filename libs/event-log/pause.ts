import { setTimeout } from 'node:timers/promises';

/** Waits, or less when the signal aborts first. */
export const pause = async (ms: number, signal?: AbortSignal): Promise<void> => {
  await setTimeout(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
};
