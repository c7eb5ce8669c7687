import { emptyLedger, type Ledger } from '#libs/domain/gpu/gpu.js';
import { LEDGER_FOLD_VERSION, ledgerOfLines } from '#libs/domain/gpu/ledger-state.js';
import type { EventLog, LogPosition } from '#libs/event-log/event-log.js';
import { foldAll } from '#libs/event-log/fold-log.js';
import { restored } from '#libs/event-log/snapshot-keeper.js';
import type { SnapshotStore } from '#libs/event-log/snapshot-store.js';
import { foldLease } from '#libs/event-log/state-folds.js';

export type FoldedLedger = { readonly ledger: Ledger; readonly leasesAt: LogPosition };

/** The scheduler's copy of the ledger, from what the allocator put aside and the log behind it. */
export const foldLedger = async (
  log: EventLog,
  store: SnapshotStore,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<FoldedLedger> => {
  let ledger = emptyLedger();
  const leasesAt = await foldAll({
    log,
    reset: () => (ledger = emptyLedger()),
    restore: () =>
      restored(
        { store, foldVersion: LEDGER_FOLD_VERSION, onFailure },
        (lines) => (ledger = ledgerOfLines(lines)),
      ),
    fold: (stored) => void foldLease(ledger, stored),
    signal,
  });
  return { ledger, leasesAt };
};
