import type { Lease, Ledger, Residency, Server } from '../gpu/gpu.js';
import { busySlots } from '../gpu/room.js';
import type { ResidencyId, ServerId } from '../ids.js';
import { msOf, rfc3339Of } from '../time.js';
import { loadMsOf, aloneMsOf, UNLOAD_MS } from './pace.js';
import { slotPlace, type LoadWish, type Snapshot } from './snapshot.js';

/** Slots that the steps of one group share: those of a loaded model, or of a CPU server. */
export type ForeseenPlace = {
  readonly serverId: ServerId;
  readonly residencyId: ResidencyId | undefined;
  readonly key: string;
  readonly slots: number;
  busy: number;
  /** When what runs there will have ended if nothing else starts. */
  idleAtMs: number;
  /** Nothing new starts there. */
  isClosed: boolean;
};

/** A load under way, or an unload where no place comes of it. */
type Swap = { readonly serverId: ServerId; readonly residencyId: ResidencyId; readonly endsAtMs: number };

/**
 * The servers as they will be: a copy of the ledger in which loads end and slots come free as is usual. It is a ledger as the policy
 * knows it, so that the policy's own functions decide about it.
 */
export class ForeseenServers {
  readonly ledger: Ledger;
  readonly places = new Map<string, ForeseenPlace>();
  readonly #paces: Snapshot['paces'];
  readonly #knownBytes: Snapshot['knownBytes'];
  #swaps: Swap[] = [];
  #loads = 0;

  constructor({ ledger, paces, knownBytes, asked, nowMs }: Snapshot) {
    this.#paces = paces;
    this.#knownBytes = knownBytes;
    const servers = new Map<ServerId, Server>();
    this.ledger = { ...ledger, servers };
    for (const [serverId, server] of ledger.servers) {
      servers.set(serverId, { ...server, residencies: new Map(server.residencies), leases: new Map() });
      if (server.state === 'up') this.#copyPlaces(server, asked, nowMs);
    }
  }

  /** Writes into the ledger how many slots are busy, as leases of nobody. */
  showBusy(): void {
    for (const server of this.ledger.servers.values()) server.leases.clear();
    for (const { serverId, residencyId, busy } of this.places.values()) {
      const leases = this.ledger.servers.get(serverId)?.leases;
      for (let n = 0; n < busy; n += 1) leases?.set(`${residencyId ?? 'cpu'}/${n}`, leaseOf(residencyId));
    }
  }

  begin({ serverId, profile, evict }: LoadWish, key: string, nowMs: number): void {
    const server = this.ledger.servers.get(serverId);
    if (server === undefined) return;
    for (const residencyId of evict) {
      server.residencies.delete(residencyId);
      this.places.delete(slotPlace(serverId, residencyId));
    }
    this.#loads += 1;
    const residencyId = `foreseen-${this.#loads}`;
    const endsAtMs = nowMs + (evict.length > 0 ? UNLOAD_MS : 0) + loadMsOf(this.ledger.loadMs.get(key));
    server.residencies.set(residencyId, {
      residencyId,
      profile,
      key,
      state: 'loading',
      bytes: this.#knownBytes.get(key) ?? 0,
      slots: server.spec.slots,
      since: rfc3339Of(Math.floor(nowMs)),
    });
    this.#swaps.push({ serverId, residencyId, endsAtMs });
  }

  /** Models at work on the server of a place, itself included: they share its computing. */
  together({ serverId, residencyId }: ForeseenPlace): number {
    let count = 0;
    for (const other of this.places.values())
      if (other.serverId === serverId && (other.busy > 0 || other.residencyId === residencyId)) count += 1;
    return count;
  }

  /** When the next load or unload ends, or the work on a place where nothing follows; Infinity: none does. */
  nextMs(serving: ReadonlySet<ForeseenPlace>): number {
    let nextMs = Infinity;
    for (const { endsAtMs } of this.#swaps) nextMs = Math.min(nextMs, endsAtMs);
    for (const place of this.places.values())
      if (place.busy > 0 && !serving.has(place)) nextMs = Math.min(nextMs, place.idleAtMs);
    return nextMs;
  }

  /** What has ended by then is over. */
  settle(nowMs: number): void {
    const ended = this.#swaps.filter(({ endsAtMs }) => endsAtMs <= nowMs);
    this.#swaps = this.#swaps.filter(({ endsAtMs }) => endsAtMs > nowMs);
    for (const { serverId, residencyId } of ended) {
      const residencies = this.ledger.servers.get(serverId)?.residencies;
      const residency = residencies?.get(residencyId);
      if (residency?.state === 'unloading') residencies?.delete(residencyId);
      if (residency?.state !== 'loading') continue;
      const loaded: Residency = { ...residency, state: 'loaded', since: rfc3339Of(Math.floor(nowMs)) };
      residencies?.set(residencyId, loaded);
      this.#place(serverId, loaded, 0, nowMs);
    }
    for (const place of this.places.values()) if (place.idleAtMs <= nowMs) place.busy = 0;
  }

  #copyPlaces(server: Server, asked: Snapshot['asked'], nowMs: number): void {
    const { serverId, kind, slots } = server.spec;
    const taken = (id?: ResidencyId): number =>
      busySlots(server, id) + (asked.get(slotPlace(serverId, id)) ?? 0);
    if (kind === 'cpu') {
      this.#place(serverId, { residencyId: undefined, key: 'cpu', slots }, taken(), nowMs);
      return;
    }
    for (const residency of server.residencies.values()) {
      const { residencyId, key, state, since } = residency;
      if (state === 'loaded') {
        this.#place(serverId, residency, taken(residencyId), nowMs);
        continue;
      }
      const tookMs = state === 'loading' ? loadMsOf(this.ledger.loadMs.get(key)) : UNLOAD_MS;
      this.#swaps.push({ serverId, residencyId, endsAtMs: Math.max(nowMs, msOf(since) + tookMs) });
    }
  }

  #place(
    serverId: ServerId,
    of: { readonly residencyId: ResidencyId | undefined; readonly key: string; readonly slots: number },
    busy: number,
    nowMs: number,
  ): void {
    const { residencyId, key, slots } = of;
    const idleAtMs = busy > 0 ? nowMs + aloneMsOf(this.#paces.get(key)) : nowMs;
    const place = { serverId, residencyId, key, slots, busy, idleAtMs, isClosed: false };
    this.places.set(slotPlace(serverId, residencyId), place);
  }
}

const leaseOf = (residencyId: ResidencyId | undefined): Lease => ({
  leaseId: '',
  taskId: '',
  stepId: '',
  attempt: 1,
  token: 0,
  ...(residencyId === undefined ? {} : { residencyId }),
});
