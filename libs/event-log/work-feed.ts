import type { StoredEvent } from './event-log.js';

/**
 * The port to events that are work: each is handed to one of the competing readers, once and without an acknowledgement.
 * A reader that dies with an event in its hands loses it; whoever wrote it must notice by other means (a lease that is not
 * renewed) and write another.
 */
export interface WorkFeed {
  /** Events as they come, until the signal aborts. Survives reconnects and server restarts. */
  take(signal: AbortSignal): AsyncIterable<WorkItem>;
}

export type WorkItem = Pick<StoredEvent, 'seq' | 'type' | 'data' | 'traceparent'>;
