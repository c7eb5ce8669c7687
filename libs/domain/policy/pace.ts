/** How long the attempts of one kind take, learned from those that succeeded. */
export type Pace = {
  readonly count: number;
  /** Exponentially weighted, so that it follows what changes. */
  readonly meanMs: number;
  /** Of many more, and as if no other model had worked on the same server: what many of them will take. It follows changes slowly. */
  readonly aloneMs: number;
  /** The longest lately: it shrinks slowly while all are shorter. */
  readonly longestMs: number;
  /** When the latest one ended. */
  readonly endedAtMs: number;
};

/** An attempt that succeeded. `together`: the models that were at work on its server, itself included. */
export type Attempted = {
  readonly tookMs: number;
  readonly together: number;
  readonly endedAtMs: number;
};

/** A tenth: about the last twenty count. */
const MEAN_WEIGHT = 0.1;
/** About the last two hundred count: answers differ so much (a coefficient of variation of 1.3 for chats) that the mean of twenty is off by a third. */
const ALONE_WEIGHT = 0.01;
/** Half after some 350 shorter ones. */
const LONGEST_KEPT = 0.998;

export const paceAfter = (pace: Pace | undefined, { tookMs, together, endedAtMs }: Attempted): Pace =>
  pace === undefined
    ? { count: 1, meanMs: tookMs, aloneMs: tookMs / together, longestMs: tookMs, endedAtMs }
    : {
        count: pace.count + 1,
        meanMs: pace.meanMs + (tookMs - pace.meanMs) * MEAN_WEIGHT,
        aloneMs:
          pace.aloneMs + (tookMs / together - pace.aloneMs) * Math.max(ALONE_WEIGHT, 1 / (pace.count + 1)),
        longestMs: Math.max(tookMs, pace.longestMs * LONGEST_KEPT),
        endedAtMs,
      };

/** Before anything is known: 500 tokens of an 8B model at some 35 a second, as a desktop GPU makes them. */
const UNKNOWN_MEAN_MS = 15_000;
/** Before anything is known: 2,048 tokens of a 70B model that four requests share take some 375 s; half as much again. */
const UNKNOWN_LONGEST_MS = 600_000;
/** Samples after which the longest seen says more than the assumption. */
const SAMPLES_MIN = 20;
/** The longest seen is exceeded now and then; half as much again rarely is. */
const MARGIN = 1.5;

export const meanMsOf = (pace: Pace | undefined): number => pace?.meanMs ?? UNKNOWN_MEAN_MS;

/** What many attempts take on average on a server that works on nothing else. */
export const aloneMsOf = (pace: Pace | undefined): number => pace?.aloneMs ?? UNKNOWN_MEAN_MS;

/** What an attempt takes at most, as far as can be told. */
export const longestMsOf = (pace: Pace | undefined): number => {
  if (pace === undefined) return UNKNOWN_LONGEST_MS;
  const seen = pace.longestMs * MARGIN;
  return pace.count < SAMPLES_MIN ? Math.max(seen, UNKNOWN_LONGEST_MS) : seen;
};

/** Before a load was seen: 8 GB from an NVMe disk, or 5 GB from a SATA one, and the start of the process. */
const UNKNOWN_LOAD_MS = 8_000;
/** Ollama waits up to 5 s for the memory of an unloaded model to come back; 0.5 to 1.5 s is usual. */
export const UNLOAD_MS = 2_000;

export const loadMsOf = (seenMs: number | undefined): number => seenMs ?? UNKNOWN_LOAD_MS;
