import fc from 'fast-check';
import { closeLeases, grantLeases, planLoad, type LeaseRequest } from '#libs/domain/gpu/decide.js';
import { configureServers } from '#libs/domain/gpu/fleet.js';
import { drainsDone, drainServer, resumeServer } from '#libs/domain/gpu/drain.js';
import type { GpuEvent, ServerSpec } from '#libs/domain/gpu/events.js';
import {
  applyToLedger,
  emptyLedger,
  type GpuRecord,
  type Ledger,
  type Residency,
} from '#libs/domain/gpu/gpu.js';
import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import { cpuSpec, gib, later, profileOf, serverSpec } from './builders.js';

/** Models of different sizes, one of them with two sets of options: two or three fit a server, and one fits none. */
export const PROFILES: readonly { readonly profile: ModelProfile; readonly bytes: number }[] = [
  { profile: profileOf('llama3:8b'), bytes: gib(6) },
  { profile: profileOf('llama3:8b', 8192), bytes: gib(7) },
  { profile: profileOf('qwen2.5:14b'), bytes: gib(10) },
  { profile: profileOf('phi4:14b'), bytes: gib(12) },
  { profile: profileOf('llama3:70b'), bytes: gib(42) },
];

const SERVERS: readonly ServerSpec[] = [
  cpuSpec(2),
  serverSpec('gpu1', { vramBytes: gib(24), slots: 2 }),
  serverSpec('gpu2', { vramBytes: gib(16), slots: 1 }),
];
const NAMES = SERVERS.map(({ serverId }) => serverId);

const serverId = fc.constantFrom(...NAMES);
const picks = fc.array(fc.nat(20), { maxLength: 4 });

const anything = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('grant' as const),
      wanted: fc.array(fc.record({ lease: fc.nat(12), server: serverId, residency: fc.nat(8) }), {
        minLength: 1,
        maxLength: 5,
      }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('close' as const), leases: picks, expired: fc.boolean() }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('load' as const),
      server: serverId,
      profile: fc.nat(PROFILES.length - 1),
      evict: picks,
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('proceed' as const),
      server: serverId,
      fails: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('state' as const),
      server: serverId,
      state: fc.constantFrom('up' as const, 'up' as const, 'down' as const, 'suspect' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('drain' as const), server: serverId, drain: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('configure' as const), gone: fc.option(serverId) }) },
);
export type GpuAction = typeof anything extends fc.Arbitrary<infer A> ? A : never;
export const gpuActions = fc.array(anything, { maxLength: 60, size: 'max' });

/**
 * The allocator around its deciders, without its servers: whatever is asked in whatever order, it does what was
 * decided, one stage at a time.
 */
export class GpuWorld {
  readonly ledger: Ledger = emptyLedger();
  readonly log: GpuRecord[] = [];
  /** What is to be loaded when the victims are gone. */
  readonly #swaps = new Map<string, { readonly profile: ModelProfile; readonly bytes: number }>();
  #residencies = 0;

  constructor(private readonly onRecord: (ledger: Ledger, record: GpuRecord) => void = () => {}) {
    this.append(configureServers(this.ledger, SERVERS, this.at));
    for (const name of NAMES) this.#state(name, 'up');
  }

  get at(): string {
    return later(this.log.length * 1000);
  }

  append(events: readonly GpuEvent[]): void {
    for (const event of events) {
      const record = { seq: this.log.length + 1, event };
      this.log.push(record);
      applyToLedger(this.ledger, record);
      this.onRecord(this.ledger, record);
    }
  }

  act(action: GpuAction): void {
    switch (action.do) {
      case 'grant':
        this.append(grantLeases(this.ledger, this.requestsOf(action), this.at).events);
        return;
      case 'close': {
        const how = action.expired
          ? ({ type: 'lease.expired', ttlMs: 9000 } as const)
          : ({ type: 'lease.released' } as const);
        this.append(
          closeLeases(
            this.ledger,
            action.leases.map((n) => `l${n}`),
            how,
            this.at,
          ),
        );
        return;
      }
      case 'load':
        return this.#load(action.server, action.profile, action.evict);
      case 'proceed':
        return this.#proceed(action.server, action.fails);
      case 'state':
        return this.#state(action.server, action.state);
      case 'drain':
        return this.#drain(action.server, action.drain);
      case 'configure': {
        const wanted = SERVERS.filter((spec) => spec.serverId !== action.gone);
        this.append(configureServers(this.ledger, wanted, this.at));
        for (const { serverId: name } of wanted) {
          if (this.ledger.servers.get(name)?.state === 'unknown') this.#state(name, 'up');
        }
        return;
      }
    }
  }

  /** Residencies by number, those that are unknown included. */
  requestsOf({ wanted }: Extract<GpuAction, { do: 'grant' }>): readonly LeaseRequest[] {
    return wanted.map(({ lease, server, residency }) => {
      const known = [...(this.ledger.servers.get(server)?.residencies.keys() ?? [])];
      const residencyId = server === 'cpu' ? undefined : (known[residency % (known.length + 1)] ?? 'r-none');
      return {
        leaseId: `l${lease}`,
        taskId: `t${lease}`,
        stepId: 'a',
        attempt: 1,
        serverId: server,
        ...(residencyId === undefined ? {} : { residencyId }),
      };
    });
  }

  #load(name: string, index: number, evict: readonly number[]): void {
    const server = this.ledger.servers.get(name);
    const wanted = PROFILES[index];
    if (!server || !wanted || this.#swaps.has(name)) return;
    const ids = [...server.residencies.keys()];
    const planned = planLoad(
      server,
      wanted.profile,
      wanted.bytes,
      evict.flatMap((n) => ids[n] ?? []),
    );
    if (planned.kind !== 'swap') return;
    this.#swaps.set(name, wanted);
    for (const residencyId of planned.unload) {
      this.append([
        { type: 'residency.unload-started', serverId: name, residencyId, reason: 'room', at: this.at },
      ]);
    }
    if (planned.unload.length === 0) this.#proceed(name, false);
  }

  /** The next stage of whatever is under way on a server. */
  #proceed(name: string, fails: boolean): void {
    const server = this.ledger.servers.get(name);
    const swap = this.#swaps.get(name);
    if (server === undefined) {
      this.#swaps.delete(name);
      return;
    }
    const moving = [...server.residencies.values()].find(({ state }) => state !== 'loaded');
    if (moving) return this.#finish(name, moving, fails);
    if (swap === undefined) return;
    this.#swaps.delete(name);
    if (planLoad(server, swap.profile, swap.bytes, []).kind !== 'swap') return;
    this.#residencies += 1;
    this.append([
      {
        type: 'residency.load-started',
        serverId: name,
        residencyId: `r${this.#residencies}`,
        profile: swap.profile,
        bytes: swap.bytes,
        slots: server.spec.slots,
        at: this.at,
      },
    ]);
  }

  #finish(name: string, { residencyId, state, bytes }: Residency, fails: boolean): void {
    const where = { serverId: name, residencyId, at: this.at };
    if (state === 'unloading') {
      this.append([{ type: 'residency.unloaded', ...where, reason: 'room' }]);
    } else if (fails) {
      this.append([
        { type: 'residency.load-failed', ...where, failure: { code: 'MODEL_LOAD_FAILED', message: 'no' } },
      ]);
    } else {
      this.append([{ type: 'residency.loaded', ...where, bytes, vramBytes: bytes, loadMs: 1000 }]);
    }
  }

  #drain(name: string, drain: boolean): void {
    const decided = drain
      ? drainServer(this.ledger, name, 'maintenance', this.at)
      : resumeServer(this.ledger, name, this.at);
    if (decided.ok) this.append(decided.events);
    this.append(drainsDone(this.ledger, this.at));
  }

  #state(name: string, state: 'up' | 'down' | 'suspect'): void {
    if (!this.ledger.servers.has(name)) return;
    this.append([{ type: 'server.state-changed', serverId: name, state, foreign: [], at: this.at }]);
  }
}
