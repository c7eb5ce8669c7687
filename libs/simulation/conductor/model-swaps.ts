import type { LoadWish } from '#libs/domain/policy/snapshot.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { vramBytesOf, type SimModel } from '../hardware.js';
import type { VirtualClock } from '../virtual-clock.js';
import type { VirtualServer } from '../virtual-server.js';
import type { ControlPlane } from './control-plane.js';
import { EPOCH_MS } from './epoch.js';

/** Carries out loads as the allocator does: victims go one by one and are seen gone, then the model is loaded. */
export class ModelSwaps {
  readonly #busy = new Set<string>();
  readonly #models: ReadonlyMap<string, SimModel>;
  /** How often each server has crashed: a load that was under way then has failed. */
  readonly #crashes = new Map<string, number>();

  constructor(
    private readonly plane: ControlPlane,
    private readonly servers: ReadonlyMap<string, VirtualServer>,
    models: readonly SimModel[],
    private readonly clock: VirtualClock,
    private readonly onChange: () => void,
  ) {
    this.#models = new Map(models.map((model) => [model.model, model]));
  }

  /** Servers that swap or come back, until that is over. */
  get busy(): ReadonlySet<string> {
    return this.#busy;
  }

  begin(wish: LoadWish): void {
    this.plane.checkLoad(wish);
    this.#busy.add(wish.serverId);
    this.#unloadAll(wish.serverId, wish.evict, `room for ${wish.profile.model}`, () => this.#load(wish));
  }

  crashed(serverId: string): void {
    this.#crashes.set(serverId, this.#crashesOf(serverId) + 1);
  }

  /** What was loaded before a crash is seen to be gone. Waits for a swap that was under way. */
  recover(serverId: string, done: () => void): void {
    if (this.#busy.has(serverId)) {
      this.clock.after(RECOVERY_LOOK_MS, () => this.recover(serverId, done));
      return;
    }
    this.#busy.add(serverId);
    const held = [...(this.plane.ledger.servers.get(serverId)?.residencies.keys() ?? [])];
    this.#unloadAll(serverId, held, 'the server is back without it', () => {
      this.#busy.delete(serverId);
      done();
    });
  }

  /** All are closed at once: one that stayed open while another one is unloaded would be leased again. */
  #unloadAll(serverId: string, residencyIds: readonly string[], reason: string, then: () => void): void {
    for (const residencyId of residencyIds)
      this.plane.allocate([
        { type: 'residency.unload-started', serverId, residencyId, reason, at: this.#at },
      ]);
    this.#unloadNext(serverId, residencyIds, reason, then);
  }

  #unloadNext(serverId: string, residencyIds: readonly string[], reason: string, then: () => void): void {
    const [residencyId, ...others] = residencyIds;
    const residency = this.plane.ledger.servers.get(serverId)?.residencies.get(residencyId ?? '');
    if (residencyId === undefined || residency === undefined) return then();
    this.#serverOf(serverId).unload(residency.profile.model, () => {
      this.plane.allocate([{ type: 'residency.unloaded', serverId, residencyId, reason, at: this.#at }]);
      this.#unloadNext(serverId, others, reason, then);
      this.onChange();
    });
  }

  #load({ serverId, profile }: LoadWish): void {
    const server = this.#serverOf(serverId);
    const model = this.#models.get(profile.model);
    if (model === undefined) throw new Error(`there is no model '${profile.model}'`);
    const { slots } = server;
    const bytes = vramBytesOf(model, slots);
    const where = { serverId, residencyId: this.plane.newResidencyId() };
    const [sinceMs, crashes] = [this.clock.nowMs, this.#crashesOf(serverId)];
    this.plane.allocate([{ type: 'residency.load-started', ...where, profile, bytes, slots, at: this.#at }]);
    server.load(model, () => {
      if (this.#crashesOf(serverId) > crashes) return this.#failed(where, model.model);
      const loadMs = this.clock.nowMs - sinceMs;
      const sizes = { bytes, vramBytes: bytes, loadMs };
      this.plane.allocate([{ type: 'residency.loaded', ...where, ...sizes, at: this.#at }]);
      this.#busy.delete(serverId);
      this.onChange();
    });
  }

  #failed(where: { readonly serverId: string; readonly residencyId: string }, model: string): void {
    this.#serverOf(where.serverId).unload(model, () => {
      const failure = { code: 'SERVER_UNREACHABLE', message: 'The server is gone.' } as const;
      this.plane.allocate([{ type: 'residency.load-failed', ...where, failure, at: this.#at }]);
      this.#busy.delete(where.serverId);
      this.onChange();
    });
  }

  get #at(): string {
    return rfc3339Of(Math.floor(EPOCH_MS + this.clock.nowMs));
  }

  #crashesOf(serverId: string): number {
    return this.#crashes.get(serverId) ?? 0;
  }

  #serverOf(serverId: string): VirtualServer {
    const server = this.servers.get(serverId);
    if (server === undefined) throw new Error(`there is no server '${serverId}'`);
    return server;
  }
}

/** How often a server that comes back is looked at. */
const RECOVERY_LOOK_MS = 250;
