import type { StoredEvent } from '#libs/event-log/event-log.js';
import type { Orm } from '../database/database.js';
import { inTransaction } from '../database/transaction.js';
import { includedAfter, moveCheckpoint, type Included } from './checkpoint.js';
import type { StreamFold } from './stream-fold.js';

/**
 * Applies events behind a checkpoint: one transaction for all of them and the checkpoint, so that both are there or
 * neither. Events up to the checkpoint are passed over. Resolves with the new checkpoint.
 */
export const applyBatch = async (
  orm: Orm,
  stream: string,
  fold: StreamFold,
  from: Included,
  events: readonly StoredEvent[],
): Promise<Included> => {
  const fresh = events.filter(({ seq }) => seq > from.seq);
  const [first] = fresh;
  if (!first) return from;
  if (first.seq !== from.seq + 1) {
    throw new Error(`${stream}: event ${first.seq} came after ${from.seq}; expected ${from.seq + 1}`);
  }
  const to = includedAfter(from, fresh);
  const committed = await inTransaction(orm, async (em) => {
    await moveCheckpoint(em, stream, from, to);
    return fold.apply(em, fresh);
  });
  committed();
  return to;
};
