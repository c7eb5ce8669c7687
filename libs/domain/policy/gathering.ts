import { loadMsOf, UNLOAD_MS } from './pace.js';
import type { ReadyGroup } from './ready-queue.js';
import type { Snapshot } from './snapshot.js';

/**
 * From when on a loaded model for which nothing waits goes for what waits for another one, where the server works on something: once that has
 * waited, all of it added up, for `swapAfterLoads` times as long as the swap takes; or once nothing has ended on the loaded one for as long,
 * which will hardly be wanted soon then.
 *
 * Who waits until the waiting costs as much as what is waited with never pays more than twice what would have been best had the
 * future been known (Dooly, Goldman and Scott, "On-line analysis of the TCP acknowledgment delay problem", JACM 2001), and needs to know no
 * rates.
 */
export const givesWayAtMs = (
  loadedKey: string,
  { key, size, sinceMs }: Pick<ReadyGroup, 'key' | 'size' | 'sinceMs'>,
  { ledger, settings, paces }: Pick<Snapshot, 'ledger' | 'settings' | 'paces'>,
): number => {
  const worthMs = settings.swapAfterLoads * (loadMsOf(ledger.loadMs.get(key)) + UNLOAD_MS);
  const usedAtMs = paces.get(loadedKey)?.endedAtMs ?? 0;
  return Math.min(sinceMs + worthMs / Math.max(1, size), usedAtMs + worthMs);
};
