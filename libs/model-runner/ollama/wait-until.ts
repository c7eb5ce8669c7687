import { setTimeout as delay } from 'timers/promises';

/**
 * Looks again and again until `look` gives something, at most for `withinMs`; undefined means that it never did. For
 * what a server shows but does not announce.
 */
export const waitUntil = async <T>(
  look: () => Promise<T | undefined>,
  withinMs: number,
  everyMs: number,
): Promise<T | undefined> => {
  const until = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    const leftMs = until - performance.now();
    if (leftMs <= 0) return undefined;
    await delay(Math.min(everyMs, leftMs));
  }
};
