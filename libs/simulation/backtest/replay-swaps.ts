import { drainsDone, toUnload } from '#libs/domain/gpu/drain.js';
import type { Residency } from '#libs/domain/gpu/gpu.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import type { ResidencyId, ServerId } from '#libs/domain/ids.js';
import type { LoadWish } from '#libs/domain/policy/snapshot.js';
import type { ControlPlane } from '../conductor/control-plane.js';
import type { VirtualClock } from '../virtual-clock.js';
import type { SwapRecord } from './swap-record.js';

type Options = {
  readonly plane: ControlPlane;
  readonly clock: VirtualClock;
  readonly swaps: SwapRecord;
  readonly fromMs: number;
  readonly at: () => string;
  readonly onChange: () => void;
};

/** Loads and unloads as the allocator makes them, each taking what it took in the log. */
export class ReplaySwaps {
  readonly #busy = new Set<ServerId>();
  /** How often a server has lost all that it held: a swap that was under way then is over. */
  readonly #losses = new Map<ServerId, number>();
  readonly #loads = new Map<string, number>();
  readonly #unloads = new Map<ServerId, number>();

  constructor(private readonly options: Options) {}

  /** Servers that swap, until that is over. */
  get busy(): ReadonlySet<ServerId> {
    return this.#busy;
  }

  /** What was under way at the start goes on to where it ended. */
  takeUp(): void {
    const { plane, swaps, fromMs } = this.options;
    for (const [serverId, { residencies }] of plane.ledger.servers) {
      for (const residency of residencies.values()) {
        if (residency.state === 'loaded') continue;
        const leftMs = Math.max(0, (swaps.endsMs.get(residency.residencyId) ?? fromMs) - fromMs);
        const { residencyId } = residency;
        this.#busy.add(serverId);
        if (residency.state === 'unloading')
          this.#after(serverId, leftMs, () => this.#gone(serverId, residencyId));
        else this.#after(serverId, leftMs, () => this.#loaded(serverId, residency, leftMs));
      }
    }
  }

  begin(wish: LoadWish): void {
    const { serverId, evict } = wish;
    this.options.plane.checkLoad(wish);
    this.#busy.add(serverId);
    this.#close(serverId, evict, `room for ${wish.profile.model}`);
    this.#unloadNext(serverId, evict, () => this.#load(wish));
  }

  /** Models of servers that are being drained go once nobody uses them. */
  drain(): void {
    const { plane, at } = this.options;
    for (const [serverId, server] of plane.ledger.servers) {
      const [next] = this.#busy.has(serverId) ? [] : toUnload(server);
      if (next === undefined) continue;
      this.#busy.add(serverId);
      this.#close(serverId, [next.residencyId], 'the server is being drained');
      this.#unloadNext(serverId, [next.residencyId], () => void this.#busy.delete(serverId));
    }
    plane.allocate(drainsDone(plane.ledger, at()));
  }

  /** All that the server holds is gone at once, with what was under way. */
  lose(serverId: ServerId): void {
    const { plane, at } = this.options;
    this.#losses.set(serverId, (this.#losses.get(serverId) ?? 0) + 1);
    this.#busy.delete(serverId);
    const server = plane.ledger.servers.get(serverId);
    for (const residencyId of server?.residencies.keys() ?? [])
      plane.allocate([
        { type: 'residency.unloaded', serverId, residencyId, reason: 'the server lost it', at: at() },
      ]);
  }

  /** All are closed at once: one that stayed open while another one is unloaded would be leased again. */
  #close(serverId: ServerId, residencyIds: readonly ResidencyId[], reason: string): void {
    const { plane, at } = this.options;
    for (const residencyId of residencyIds)
      plane.allocate([{ type: 'residency.unload-started', serverId, residencyId, reason, at: at() }]);
  }

  #unloadNext(serverId: ServerId, residencyIds: readonly ResidencyId[], then: () => void): void {
    const [residencyId, ...others] = residencyIds;
    if (residencyId === undefined) return then();
    const tookMs = this.options.swaps.unloadMs(serverId, counted(this.#unloads, serverId));
    this.#after(serverId, tookMs, () => {
      this.#gone(serverId, residencyId);
      if (others.length > 0) this.#busy.add(serverId);
      this.#unloadNext(serverId, others, then);
    });
  }

  #gone(serverId: ServerId, residencyId: ResidencyId): void {
    const { plane, at, onChange } = this.options;
    plane.allocate([{ type: 'residency.unloaded', serverId, residencyId, reason: 'unloaded', at: at() }]);
    this.#settle(serverId);
    onChange();
  }

  #load({ serverId, profile }: LoadWish): void {
    const { plane, swaps, at } = this.options;
    const server = plane.ledger.servers.get(serverId);
    if (server === undefined) return;
    this.#busy.add(serverId);
    const { slots } = server.spec;
    const key = profileKey(profile);
    const { tookMs, failure } = swaps.loadOf(serverId, profile, counted(this.#loads, `${serverId} ${key}`));
    const where = { serverId, residencyId: plane.newResidencyId() };
    const bytes = failure === null ? swaps.bytesOn(server.spec, profile) : plane.bytesOf(profile);
    plane.allocate([{ type: 'residency.load-started', ...where, profile, bytes, slots, at: at() }]);
    const residency = server.residencies.get(where.residencyId);
    this.#after(serverId, tookMs, () => {
      if (failure === null && residency) return this.#loaded(serverId, residency, tookMs);
      if (failure) plane.allocate([{ type: 'residency.load-failed', ...where, failure, at: at() }]);
      this.#settle(serverId);
      this.options.onChange();
    });
  }

  #loaded(serverId: ServerId, { residencyId, bytes }: Residency, loadMs: number): void {
    const { plane, at, onChange } = this.options;
    const sizes = { bytes, vramBytes: bytes, loadMs };
    plane.allocate([{ type: 'residency.loaded', serverId, residencyId, ...sizes, at: at() }]);
    this.#settle(serverId);
    onChange();
  }

  /** Free again once nothing on it is loading or unloading. */
  #settle(serverId: ServerId): void {
    const held = this.options.plane.ledger.servers.get(serverId)?.residencies.values() ?? [];
    if ([...held].every(({ state }) => state === 'loaded')) this.#busy.delete(serverId);
  }

  #after(serverId: ServerId, delayMs: number, then: () => void): void {
    const losses = this.#losses.get(serverId) ?? 0;
    this.options.clock.after(delayMs, () => {
      if ((this.#losses.get(serverId) ?? 0) === losses) then();
    });
  }
}

/** How many came before. */
const counted = (counts: Map<string, number>, key: string): number => {
  const before = counts.get(key) ?? 0;
  counts.set(key, before + 1);
  return before;
};
