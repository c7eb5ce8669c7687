import type { StoredEvent } from './event-log.js';

/**
 * The domain's event again: its type is an attribute of the CloudEvent, its facts are the data. The caller names the union
 * that it folds; a type it does not know must stop a deciding fold (see `assertKnown`).
 */
export const typedEvent = <E extends { readonly type: string }>(stored: StoredEvent): E =>
  ({ type: stored.type, ...(stored.data as object) }) as unknown as E;

/** An event type that this build does not know: folding on would decide from a state that lacks a fact. */
export class UnknownEventError extends Error {
  override readonly name = 'UnknownEventError';
}

/** Stops a deciding fold at a type outside `known`. */
export const assertKnown = (stored: StoredEvent, known: ReadonlySet<string>, log: string): void => {
  if (known.has(stored.type)) return;
  throw new UnknownEventError(
    `${log} holds an event of type '${stored.type}' at ${stored.seq}, which this version does not know. ` +
      `It was written by a newer version: run that one, or a newer one. Known types: ${[...known].join(', ')}.`,
  );
};
