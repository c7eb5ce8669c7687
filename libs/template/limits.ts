/** Limits of templates. Generous for what people write by hand, small for what a process must hold and check. */
export const TEMPLATE_LIMITS = {
  /** A prompt of a book chapter fits; a data set does not belong into a template. */
  fileBytes: 256 * 1024,
  files: 1000,
  parameters: 100,
  steps: 100,
  /** Values in one template, aliases followed: ten times the largest that is sensible. */
  values: 20_000,
  /** Bytes of the compiled template: it travels in one message, whose ceiling is 960 KiB. */
  compiledBytes: 600 * 1024,
  /** Bytes of a filled-in input or result; the event that carries it has the same ceiling. */
  filledBytes: 900 * 1024,
  /** Levels of objects and lists, in templates and in parameters. */
  depth: 16,
  /** Filling in one field may take this long: a hundred times what a full-size prompt takes (2 ms). */
  renderMs: 200,
  /** Units of Liquid's own accounting, roughly characters and list items made. */
  renderMemory: 20_000_000,
  /** Problems that are told at once. */
  problems: 50,
  /** Longer patterns are programs. */
  patternChars: 300,
} as const;

/** Context window of a model where its template and the platform's settings say nothing. */
export const NUM_CTX_DEFAULT = 4096;

/** Retries unless the step says otherwise: two more tries, the first after a second. */
export const RETRY_DEFAULT = { attempts_max: 3, backoff_ms: 1000 } as const;
/** The steps of a child have retries of their own: another whole child is for those who ask for it. */
export const CHILD_RETRY_DEFAULT = { attempts_max: 1, backoff_ms: 1000 } as const;
/** Steps with `foreach`: more items than this are a data set, and more at once than slots of one machine only wait. */
export const FOREACH_LIMITS = { items: 10_000, concurrency: 100, concurrencyDefault: 8 } as const;
/** Shorter ones are mistakes; a week is longer than anything that is waited for. */
export const STEP_TIME_LIMITS = {
  minMs: 100,
  maxMs: 7 * 86_400_000,
  /** A worker that was not heard for so long is gone; before, it cannot be said that there is none. */
  workerMinMs: 10_000,
} as const;
/**
 * What the steps under `finally` may take together, from when all others have ended; waiting for a slot counts. An hour is long enough for
 * a report by a model that has to be loaded, and short enough for who waits for a cancelled task.
 */
export const FINALLY_LIMITS = { minMs: 1_000, maxMs: 86_400_000, default: '1h' } as const;
export const RETRY_LIMITS = { attemptsMax: 20, backoffMs: 60_000 } as const;
