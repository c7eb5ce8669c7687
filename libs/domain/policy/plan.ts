import { busySlots } from '../gpu/room.js';
import type { ResidencyId, ServerId } from '../ids.js';
import { compareSteps } from './ordering.js';
import type { Copies } from './copies.js';
import { queueOf, type Queue } from './queue.js';
import type { ReadyGroup } from './ready-queue.js';
import { chooseLoads, type LoadChoice } from './choose-loads.js';
import { nextOf, slotPlace, type Placement, type Plan, type Snapshot } from './snapshot.js';

/**
 * One scheduling decision.
 * 1. Choose loads for groups that no server holds, and with them the residencies whose gate is closed.
 * 2. Place ready steps on free slots that are open, best step first over all groups.
 */
export const plan = (snapshot: Snapshot): Plan => {
  const queue = queueOf(snapshot);
  const { loads, closed, impossible } = chooseLoads(queue, snapshot);
  return { placements: place(queue, closed, snapshot), loads, impossible };
};

type Closed = LoadChoice['closed'];

type Place = { readonly serverId: ServerId; readonly residencyId?: ResidencyId; free: number };

const place = (
  { groups, ranking, copies }: Queue,
  closed: Closed,
  snapshot: Snapshot,
): readonly Placement[] => {
  const compare = compareSteps(ranking);
  const open = groups.flatMap((group) => {
    const places = freePlaces(group, copies, closed, snapshot);
    const first = places.length > 0 ? nextOf(group.steps) : null;
    return first ? [{ ...first, places }] : [];
  });
  const placements: Placement[] = [];
  while (open.length > 0 && placements.length < snapshot.placementsMax) {
    const best = open.reduce((a, b) => (compare(b.head, a.head) < 0 ? b : a));
    const spot = best.places.reduce((a, b) => (b.free > a.free ? b : a));
    const { serverId, residencyId } = spot;
    placements.push({ step: best.head, serverId, ...(residencyId === undefined ? {} : { residencyId }) });
    spot.free -= 1;
    const next = best.rest.next();
    if (next.done || best.places.every(({ free }) => free <= 0)) open.splice(open.indexOf(best), 1);
    else best.head = next.value;
  }
  return placements;
};

const freePlaces = (group: ReadyGroup, copies: Copies, closed: Closed, snapshot: Snapshot): Place[] => {
  const places = group.requirement.kind === 'cpu' ? cpuPlaces(snapshot) : [];
  for (const { server, residency } of copies.get(group.key) ?? []) {
    const { residencyId, state, slots } = residency;
    if (state !== 'loaded' || closed.has(residencyId)) continue;
    const free = slots - busySlots(server, residencyId);
    places.push({ serverId: server.spec.serverId, residencyId, free });
  }
  for (const spot of places) spot.free -= snapshot.asked.get(slotPlace(spot.serverId, spot.residencyId)) ?? 0;
  return places.filter(({ free }) => free > 0);
};

const cpuPlaces = ({ ledger }: Snapshot): Place[] => {
  const places: Place[] = [];
  for (const server of ledger.servers.values())
    if (server.state === 'up' && server.spec.kind === 'cpu')
      places.push({ serverId: server.spec.serverId, free: server.spec.slots - busySlots(server) });
  return places;
};
