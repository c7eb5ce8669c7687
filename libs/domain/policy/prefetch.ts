import type { Residency, Server } from '../gpu/gpu.js';
import { busySlots, fits } from '../gpu/room.js';
import type { ModelProfile } from '../gpu/profile.js';
import { loadMsOf } from './pace.js';
import type { Queue } from './queue.js';
import { slotPlace, type LoadWish, type Snapshot } from './snapshot.js';
import { cheapestVictims } from './victims.js';

/**
 * The load of a model before its work is ready, where nothing has to give way that has work or is in use. Null where it cannot be
 * done: then it waits its turn like any other.
 */
export const loadAhead = (
  server: Server,
  { key, profile }: { readonly key: string; readonly profile: ModelProfile },
  queue: Queue,
  snapshot: Snapshot,
): LoadWish | null => {
  const needBytes = snapshot.knownBytes.get(key) ?? 0;
  if (server.state !== 'up' || server.loadFailures.has(key) || needBytes > server.spec.vramBytes) return null;
  const idle: Residency[] = [];
  for (const residency of server.residencies.values()) {
    if (residency.state !== 'loaded') return null;
    if (isIdle(server, residency, queue, snapshot)) idle.push(residency);
  }
  const victims = cheapestVictims(
    idle.map((residency) => ({ residency, costMs: loadMsOf(snapshot.ledger.loadMs.get(residency.key)) })),
    (gone) => fits(server, profile.model, needBytes, new Set(gone.map(({ residencyId }) => residencyId))),
  );
  return (
    victims && {
      serverId: server.spec.serverId,
      profile,
      evict: victims.map(({ residencyId }) => residencyId),
      because: 'work for it is about to be ready',
    }
  );
};

const isIdle = (
  server: Server,
  { key, residencyId }: Residency,
  { rivals }: Queue,
  { asked }: Snapshot,
): boolean =>
  !rivals.has(key) &&
  busySlots(server, residencyId) === 0 &&
  (asked.get(slotPlace(server.spec.serverId, residencyId)) ?? 0) === 0;
