/** The one door to the time of day. Pure code takes the time as an argument instead. */
export type Clock = { readonly nowMs: () => number };

export const systemClock: Clock = { nowMs: () => Date.now() };

/** RFC 3339 with milliseconds, UTC. */
export const rfc3339 = (atMs: number): string => new Date(atMs).toISOString();
