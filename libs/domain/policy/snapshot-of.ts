import type { Ledger } from '../gpu/gpu.js';
import type { TaskBook } from '../task/task-book.js';
import type { TaskIndex } from '../task/task-index.js';
import { ledgerForPlan } from './paused-servers.js';
import type { Snapshot } from './snapshot.js';

/** The folds, and what follows from them. */
export type Folded = { readonly book: TaskBook; readonly index: TaskIndex; readonly ledger: Ledger };

/** Enough to fill every slot of a large site at once, small enough for one message. */
const PLACEMENTS_MAX = 256;

/** Everything that is decided from at this moment; what was asked for and does not show in the folds yet is the caller's to say. */
export const snapshotOf = (
  { book, index, ledger }: Folded,
  asked: Pick<Snapshot, 'asked' | 'loadsAsked' | 'knownBytes'>,
  nowMs: number,
): Snapshot => ({
  ...asked,
  ready: index.ready,
  ledger: ledgerForPlan(ledger, book.pauses),
  paces: book.paces,
  servedMs: index.servedMs(),
  overtaken: { cpu: index.overtaken('cpu', nowMs), model: index.overtaken('model', nowMs) },
  soon: index.soon(nowMs),
  nowMs,
  settings: book.policy,
  placementsMax: PLACEMENTS_MAX,
});
