/** The one door to the time of day. Pure code takes the time as an argument instead. */
export type Clock = { readonly nowMs: () => number };

export const systemClock: Clock = { nowMs: () => Date.now() };

/** RFC 3339 with milliseconds, UTC. Many facts are of one millisecond, so the last text is kept: making it costs more than all else about a time. */
export const rfc3339 = (atMs: number): string => {
  if (atMs !== last.atMs) last = { atMs, text: new Date(atMs).toISOString() };
  return last.text;
};

let last = { atMs: Number.NaN, text: '' };
