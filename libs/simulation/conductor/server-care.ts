import { serverLost, serverSeen } from '#libs/domain/gpu/server-health.js';
import { rfc3339Of } from '#libs/domain/time.js';
import type { VirtualClock } from '../virtual-clock.js';
import type { VirtualServer } from '../virtual-server.js';
import type { ControlPlane } from './control-plane.js';
import { EPOCH_MS } from './epoch.js';
import type { ModelSwaps } from './model-swaps.js';

/** ORCHESTRA_PROBE_EVERY_MS, as it is by default; a recovery that failed waits as long, and doubles that up to a minute. */
const LOOK_EVERY_MS = 3_000;
const PAUSE_MAX_MS = 60_000;

export type CareOptions = {
  readonly plane: ControlPlane;
  readonly servers: ReadonlyMap<string, VirtualServer>;
  readonly swaps: ModelSwaps;
  readonly clock: VirtualClock;
  readonly onChange: () => void;
};

/**
 * Looks at servers as the allocator does (server-watch.ts, server-recovery.ts) and records by the same functions what it sees: one that
 * refuses the connection is down, and one that was down or suspect is up again when everything that it held is unloaded. It looks
 * where something may have changed, at the moments at which the allocator would.
 */
export class ServerCare {
  readonly #tries = new Map<string, number>();
  readonly #next = new Map<string, { readonly atMs: number; readonly cancel: () => void }>();

  constructor(private readonly options: CareOptions) {}

  look(serverId: string): void {
    const { plane, servers, swaps, onChange } = this.options;
    const known = plane.ledger.servers.get(serverId);
    const server = servers.get(serverId);
    if (known === undefined || server === undefined) throw new Error(`there is no server '${serverId}'`);
    if (!server.isUp) {
      plane.allocate(serverLost(known, `${serverId} refuses the connection`, this.#at));
    } else if (swaps.busy.has(serverId)) {
      this.lookSoon(serverId);
    } else if (known.health === 'up') {
      this.#seen(serverId);
    } else {
      this.#recover(serverId);
    }
    onChange();
  }

  /** With the next of the regular looks. */
  lookSoon(serverId: string): void {
    this.#lookAt(serverId, (Math.floor(this.options.clock.nowMs / LOOK_EVERY_MS) + 1) * LOOK_EVERY_MS);
  }

  /** It answers again. Where nobody had noticed that it was gone, what it held is seen to be gone at once. */
  back(serverId: string): void {
    if (this.options.plane.ledger.servers.get(serverId)?.health === 'up') this.look(serverId);
    else this.lookSoon(serverId);
  }

  #recover(serverId: string): void {
    const { swaps, clock, onChange } = this.options;
    swaps.empty(serverId, (outcome) => {
      const tries = outcome === 'stuck' ? (this.#tries.get(serverId) ?? 0) + 1 : 0;
      this.#tries.set(serverId, tries);
      if (outcome === 'empty') this.#seen(serverId);
      else if (outcome === 'in-use') this.lookSoon(serverId);
      else this.#lookAt(serverId, clock.nowMs + Math.min(PAUSE_MAX_MS, LOOK_EVERY_MS * 2 ** (tries - 1)));
      onChange();
    });
  }

  #seen(serverId: string): void {
    const { plane, swaps } = this.options;
    const known = plane.ledger.servers.get(serverId);
    if (known === undefined) return;
    const seen = { version: known.version ?? 'simulated', resident: swaps.listed(serverId) };
    plane.allocate(serverSeen(known, seen, this.#at));
  }

  /** The sooner of this look and one that is due already. */
  #lookAt(serverId: string, atMs: number): void {
    const due = this.#next.get(serverId);
    if (due !== undefined && due.atMs <= atMs) return;
    due?.cancel();
    const cancel = this.options.clock.at(atMs, () => {
      this.#next.delete(serverId);
      this.look(serverId);
    });
    this.#next.set(serverId, { atMs, cancel });
  }

  get #at(): string {
    return rfc3339Of(Math.floor(EPOCH_MS + this.options.clock.nowMs));
  }
}
