/** First wait before a service that ended is started again, and the longest. */
const FIRST_MS = 100;
const LONGEST_MS = 15_000;

/** A service that ran this long is taken for healthy: its next restart starts over with the short wait. */
export const STABLE_AFTER_MS = 20_000;

/** Doubling waits with up to half of jitter, so that services that end together do not come back together for ever. */
export const restartDelayMs = (restarts: number, random: number): number => {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(restarts, 30));
  return Math.round(full * (0.5 + random / 2));
};

/** Restarts that count against a service when it ends, from those before and how long it ran. */
export const restartsBefore = (restarts: number, ranMs: number): number =>
  ranMs >= STABLE_AFTER_MS ? 0 : restarts;
