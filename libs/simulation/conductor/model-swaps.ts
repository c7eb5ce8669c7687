import { residenciesGone, serverSuspected, type ListedModel } from '#libs/domain/gpu/server-health.js';
import { busySlots } from '#libs/domain/gpu/room.js';
import type { Failure } from '#libs/domain/errors.js';
import type { Server } from '#libs/domain/gpu/gpu.js';
import type { LoadWish } from '#libs/domain/policy/snapshot.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { vramBytesOf, type SimModel } from '../hardware.js';
import type { VirtualClock } from '../virtual-clock.js';
import type { VirtualServer } from '../virtual-server.js';
import type { ControlPlane } from './control-plane.js';
import { EPOCH_MS } from './epoch.js';

/** ORCHESTRA_UNLOAD_TIMEOUT_MS, as it is by default. */
const UNLOAD_TIMEOUT_MS = 30_000;

/** Whether everything was unloaded, or the server died or did not do it in time. */
type Unloaded = (isDone: boolean) => void;

export type SwapOptions = {
  readonly plane: ControlPlane;
  readonly servers: ReadonlyMap<string, VirtualServer>;
  readonly models: readonly SimModel[];
  readonly clock: VirtualClock;
  readonly onChange: () => void;
  /** A load or unload went wrong in a way that tells of the server. */
  readonly onTrouble: (serverId: string) => void;
};

/**
 * Carries out loads and unloads as the allocator does (residency-keeper.ts): victims go one by one and are seen gone, then the
 * model is loaded. A server that does not unload in time is suspect.
 */
export class ModelSwaps {
  readonly #busy = new Set<string>();
  readonly #models: ReadonlyMap<string, SimModel>;
  /** Ends what is under way on a server that is gone. */
  readonly #giveUp = new Map<string, () => void>();

  constructor(private readonly options: SwapOptions) {
    this.#models = new Map(options.models.map((model) => [model.model, model]));
  }

  /** Servers on which a load or an unload is under way. */
  get busy(): ReadonlySet<string> {
    return this.#busy;
  }

  begin(wish: LoadWish): void {
    const { serverId, evict, profile } = wish;
    this.options.plane.checkLoad(wish);
    this.#busy.add(serverId);
    this.#unloadAll(serverId, evict, `room for ${profile.model}`, (isDone) => {
      if (isDone) return this.#load(wish);
      this.#busy.delete(serverId);
      this.options.onTrouble(serverId);
    });
  }

  died(serverId: string): void {
    this.#giveUp.get(serverId)?.();
  }

  /** Unloads what a server that is not well holds and nobody uses; says whether it is empty, still in use, or stuck. */
  empty(serverId: string, done: (outcome: 'empty' | 'in-use' | 'stuck') => void): void {
    const { plane } = this.options;
    const server = this.#known(serverId);
    this.#busy.add(serverId);
    plane.allocate(residenciesGone(server, this.listed(serverId), this.#at));
    const idle = [...this.#known(serverId).residencies.keys()].filter((id) => busySlots(server, id) === 0);
    this.#unloadAll(serverId, idle, `recovery of the server: ${server.reason ?? server.health}`, (isDone) => {
      this.#busy.delete(serverId);
      if (!isDone) return done('stuck');
      done(this.#known(serverId).residencies.size > 0 ? 'in-use' : 'empty');
    });
  }

  /** As the server lists them: what is still loading is not there. */
  listed(serverId: string): readonly ListedModel[] {
    return this.#serverOf(serverId)
      .residents.filter(({ state }) => state !== 'loading')
      .map(({ model, bytes }) => ({ model: model.model, sizeBytes: bytes }));
  }

  /** All are closed at once: one that stayed open while another one is unloaded would be leased again. */
  #unloadAll(serverId: string, residencyIds: readonly string[], reason: string, then: Unloaded): void {
    const { residencies } = this.#known(serverId);
    for (const residencyId of residencyIds) {
      const state = residencies.get(residencyId)?.state;
      if (state === undefined || state === 'unloading') continue;
      this.options.plane.allocate([
        { type: 'residency.unload-started', serverId, residencyId, reason, at: this.#at },
      ]);
    }
    this.#unloadNext(serverId, residencyIds, reason, then);
  }

  #unloadNext(serverId: string, residencyIds: readonly string[], reason: string, then: Unloaded): void {
    const { plane, onChange } = this.options;
    const [residencyId, ...others] = residencyIds;
    const residency = this.#known(serverId).residencies.get(residencyId ?? '');
    if (residencyId === undefined || residency === undefined) return then(true);
    const { model } = residency.profile;
    this.#unloadOne(serverId, model, (isDone) => {
      if (isDone) {
        plane.allocate([{ type: 'residency.unloaded', serverId, residencyId, reason, at: this.#at }]);
        this.#unloadNext(serverId, others, reason, then);
      } else {
        const message = `'${model}' is still listed ${UNLOAD_TIMEOUT_MS} ms after the order to unload it`;
        plane.allocate(serverSuspected(this.#known(serverId), message, this.#at));
        then(false);
      }
      onChange();
    });
  }

  #unloadOne(serverId: string, model: string, then: Unloaded): void {
    const { clock } = this.options;
    const server = this.#serverOf(serverId);
    let [cancel, isOver] = [(): void => {}, false];
    const settle = (isDone: boolean): void => {
      // What ends later than it was waited for is seen by the next look.
      if (isOver) return;
      isOver = true;
      cancel();
      this.#giveUp.delete(serverId);
      then(isDone);
    };
    if (!server.isUp) return void clock.after(0, () => settle(false));
    // An order that was given up has been carried out meanwhile.
    if (server.resident(model) === undefined) return settle(true);
    cancel = clock.after(UNLOAD_TIMEOUT_MS, () => settle(false));
    this.#giveUp.set(serverId, () => settle(false));
    server.unload(model, () => settle(true));
  }

  #load({ serverId, profile }: LoadWish): void {
    const { plane, clock, onChange } = this.options;
    const server = this.#serverOf(serverId);
    const model = this.#models.get(profile.model);
    if (model === undefined) throw new Error(`there is no model '${profile.model}'`);
    const { slots } = server;
    const bytes = vramBytesOf(model, slots);
    const where = { serverId, residencyId: plane.newResidencyId() };
    const sinceMs = clock.nowMs;
    plane.allocate([{ type: 'residency.load-started', ...where, profile, bytes, slots, at: this.#at }]);
    if (!server.isUp) return void clock.after(0, () => this.#loadFailed(where));
    this.#giveUp.set(serverId, () => this.#loadFailed(where));
    server.load(model, () => {
      this.#giveUp.delete(serverId);
      const sizes = { bytes, vramBytes: bytes, loadMs: clock.nowMs - sinceMs };
      plane.allocate([{ type: 'residency.loaded', ...where, ...sizes, at: this.#at }]);
      this.#busy.delete(serverId);
      onChange();
    });
  }

  #loadFailed(where: { readonly serverId: string; readonly residencyId: string }): void {
    const { plane, onChange, onTrouble } = this.options;
    const failure: Failure = { code: 'SERVER_UNREACHABLE', message: 'The server is gone.' };
    plane.allocate([{ type: 'residency.load-failed', ...where, failure, at: this.#at }]);
    this.#giveUp.delete(where.serverId);
    this.#busy.delete(where.serverId);
    onTrouble(where.serverId);
    onChange();
  }

  get #at(): string {
    return rfc3339Of(Math.floor(EPOCH_MS + this.options.clock.nowMs));
  }

  #known(serverId: string): Server {
    const server = this.options.plane.ledger.servers.get(serverId);
    if (server === undefined) throw new Error(`there is no server '${serverId}'`);
    return server;
  }

  #serverOf(serverId: string): VirtualServer {
    const server = this.options.servers.get(serverId);
    if (server === undefined) throw new Error(`there is no server '${serverId}'`);
    return server;
  }
}
