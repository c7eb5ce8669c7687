import type {
  GiveBackReply,
  GiveBackRequest,
  GrantReply,
  GrantRequest,
  PresentReply,
  PresentRequest,
} from '#libs/contracts/lease-rpc.js';
import { closeLeases, grantLeases } from '#libs/domain/gpu/decide.js';
import type { Lease } from '#libs/domain/gpu/gpu.js';
import type { LeaseId } from '#libs/domain/ids.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Recorder } from './recorder.js';

type Holder = {
  readonly executorId: string | null;
  readonly deadlineMs: number;
  /** Granted before this allocator started. */
  readonly inherited: boolean;
};

/**
 * Grants, renews and expires leases.
 *
 * Grants, releases and expiries are facts. Renewals are not: a fact every few seconds for each lease would be most of the
 * log and tell nothing. Who holds a lease is therefore known in memory only, and after a restart each live lease gets a
 * full time to live and belongs to the first executor that presents it after one renewal period: by then
 * the true holder, if it lives, has shown itself.
 */
export class LeaseDesk {
  readonly #holders = new Map<LeaseId, Holder>();
  readonly #opensAtMs: number;

  constructor(
    private readonly recorder: Recorder,
    private readonly clock: Clock,
    private readonly leaseTtlMs: number,
    private readonly logger: Logger,
  ) {
    const nowMs = clock.nowMs();
    this.#opensAtMs = nowMs + leaseTtlMs / RENEWALS_PER_TTL;
    for (const lease of this.#live()) {
      this.#holders.set(lease.leaseId, { executorId: null, deadlineMs: nowMs + leaseTtlMs, inherited: true });
    }
  }

  /** Grants what fits; answers when the grants are in the log, their sequence being the token. */
  async grant({ requests }: GrantRequest): Promise<GrantReply> {
    const nowMs = this.clock.nowMs();
    const decision = grantLeases(this.recorder.ledger, requests, rfc3339(nowMs));
    const { seqs, acknowledged } = this.recorder.record(decision.events);
    const granted = [...decision.repeated];
    for (const [place, event] of decision.events.entries()) {
      if (event.type !== 'lease.granted') continue;
      for (const { leaseId } of event.leases) {
        granted.push({ leaseId, token: seqs[place] ?? 0 });
        this.#holders.set(leaseId, {
          executorId: null,
          deadlineMs: nowMs + this.leaseTtlMs,
          inherited: false,
        });
      }
    }
    await acknowledged();
    return { granted, refused: decision.refused };
  }

  /** An executor shows its tokens: the first time to take an attempt, then to renew. */
  present({ executorId, leases }: PresentRequest): PresentReply {
    const nowMs = this.clock.nowMs();
    const reply = { accepted: [] as LeaseId[], later: [] as LeaseId[], stale: [] as LeaseId[] };
    for (const { leaseId, token, taking } of leases) {
      const holder = this.#holders.get(leaseId);
      const current = holder !== undefined && this.#find(leaseId)?.token === token;
      if (!current || (holder.executorId !== null && holder.executorId !== executorId)) {
        reply.stale.push(leaseId);
      } else if (taking && holder.inherited && nowMs < this.#opensAtMs) {
        reply.later.push(leaseId);
      } else {
        reply.accepted.push(leaseId);
        this.#holders.set(leaseId, { executorId, deadlineMs: nowMs + this.leaseTtlMs, inherited: false });
      }
    }
    return { ttlMs: this.leaseTtlMs, ...reply };
  }

  /** The scheduler will not use these. One that an executor holds already stays. */
  giveBack({ leaseIds }: GiveBackRequest): GiveBackReply {
    const unused = leaseIds.filter((leaseId) => this.#holders.get(leaseId)?.executorId === null);
    this.release(unused);
    return { closed: unused };
  }

  /** Attempts that have ended. `causationId` is the position in `TASKS` that said so. */
  release(leaseIds: readonly LeaseId[], causationId?: string): void {
    for (const leaseId of leaseIds) this.#holders.delete(leaseId);
    const at = rfc3339(this.clock.nowMs());
    this.recorder.record(
      closeLeases(this.recorder.ledger, leaseIds, { type: 'lease.released' }, at),
      causationId,
    );
  }

  /** Closes what was not renewed in time. */
  expire(): void {
    const nowMs = this.clock.nowMs();
    const late: LeaseId[] = [];
    for (const [leaseId, { deadlineMs }] of this.#holders) {
      if (deadlineMs > nowMs) continue;
      this.#holders.delete(leaseId);
      // Those that were lost with their server are closed already.
      if (this.isLive(leaseId)) late.push(leaseId);
    }
    if (late.length === 0) return;
    this.logger.warn({ leaseIds: late }, 'leases expired');
    const how = { type: 'lease.expired', ttlMs: this.leaseTtlMs } as const;
    this.recorder.record(closeLeases(this.recorder.ledger, late, how, rfc3339(nowMs)));
  }

  expiresInMs(leaseId: LeaseId): number {
    return Math.max(0, (this.#holders.get(leaseId)?.deadlineMs ?? 0) - this.clock.nowMs());
  }

  isLive(leaseId: LeaseId): boolean {
    return this.#find(leaseId) !== undefined;
  }

  #find(leaseId: LeaseId): Lease | undefined {
    for (const server of this.recorder.ledger.servers.values()) {
      const lease = server.leases.get(leaseId);
      if (lease) return lease;
    }
    return undefined;
  }

  *#live(): Generator<Lease> {
    for (const server of this.recorder.ledger.servers.values()) yield* server.leases.values();
  }
}

/** Executors renew at a third of the time to live, so that two renewals may get lost. */
const RENEWALS_PER_TTL = 3;
