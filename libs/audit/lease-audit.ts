import type { LeaseId, ResidencyId, ServerId, StepId, TaskId } from '#libs/domain/ids.js';
import type {
  GpuEvent,
  LeasesExpired,
  LeasesGranted,
  LeasesReleased,
  ServerSpec,
} from '#libs/domain/gpu/events.js';
import { causeIn, type AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';
import { MemoryAudit } from './memory-audit.js';
import type { RuleName } from './rules.js';

/** A lease as `LEASES` tells of it. */
export type GrantedLease = {
  readonly leaseId: LeaseId;
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly attempt: number;
  readonly serverId: ServerId;
  readonly residencyId: ResidencyId | undefined;
  /** Sequence of the grant: the token. */
  readonly token: number;
  readonly atMs: number;
  closed: LeaseEnd | null;
  /** An earlier grant of the same id. */
  readonly before: GrantedLease | null;
};

export type LeaseEnd = {
  readonly seq: number;
  readonly atMs: number;
  readonly how: 'released' | 'expired';
  /** Position in `TASKS` up to which the allocator had read when it freed the slot; null where it had another reason. */
  readonly afterTask: number | null;
};

type AuditedServer = {
  readonly spec: ServerSpec;
  readonly memory: MemoryAudit;
  readonly live: Map<LeaseId, GrantedLease>;
  draining: boolean;
};

/** Whether everything fits where it was put, and every right is given once and taken back once. */
export class LeaseAudit {
  readonly #servers = new Map<ServerId, AuditedServer>();
  /** The newest grant of each id. */
  readonly granted = new Map<LeaseId, GrantedLease>();
  /** How far the allocator has certainly followed `TASKS`. */
  followedTo = 0;

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  /** The grant with this token; the newest one of that id where none has it. */
  grantOf(leaseId: LeaseId, token: number): GrantedLease | undefined {
    const newest = this.granted.get(leaseId);
    for (let lease = newest ?? null; lease !== null; lease = lease.before)
      if (lease.token === token) return lease;
    return newest;
  }

  get serverCount(): number {
    return this.#servers.size;
  }

  take(record: AuditRecord): void {
    const event = { ...record.data, type: record.type } as unknown as GpuEvent;
    this.followedTo = Math.max(this.followedTo, causeIn(record, 'tsk') ?? 0);
    if (event.type === 'server.configured') {
      const { server: spec } = event;
      const known = this.#servers.get(spec.serverId);
      this.#servers.set(spec.serverId, {
        spec,
        memory: known?.memory ?? new MemoryAudit(),
        live: known?.live ?? new Map(),
        draining: known?.draining ?? false,
      });
      return;
    }
    const server = this.#servers.get(event.serverId);
    if (server === undefined) {
      this.#found(
        'NOT_READABLE',
        record.seq,
        `${event.type} of server ${event.serverId}, which is not configured`,
      );
      return;
    }
    switch (event.type) {
      case 'server.removed':
        this.#unused(server, [...server.live.keys()], `server ${event.serverId} was removed`, record.seq);
        this.#servers.delete(event.serverId);
        return;
      case 'server.drain-started':
        server.draining = true;
        return;
      case 'server.resumed':
        server.draining = false;
        return;
      case 'server.drained':
        this.#unused(server, [...server.live.keys()], `server ${event.serverId} was drained`, record.seq);
        return;
      case 'lease.granted':
        return this.#grant(server, event, record);
      case 'lease.released':
      case 'lease.expired':
        return this.#close(server, event, record);
      default: {
        if (event.type === 'residency.unload-started') {
          const users = [...server.live.values()].flatMap(({ residencyId, leaseId }) =>
            residencyId === event.residencyId && leaseId !== event.endsLease ? [leaseId] : [],
          );
          this.#unused(server, users, `${event.residencyId} was unloaded`, record.seq);
        }
        const over = server.memory.take(event, server.spec);
        if (over !== null) this.#found('MEMORY_OVERCOMMITTED', record.seq, over);
      }
    }
  }

  #unused(server: AuditedServer, users: readonly LeaseId[], what: string, seq: number): void {
    if (users.length === 0) return;
    this.#found('UNLOADED_IN_USE', seq, `${what} on ${server.spec.serverId} under ${users.join(', ')}`);
  }

  #grant(server: AuditedServer, event: LeasesGranted, record: AuditRecord): void {
    const { seq } = record;
    for (const { leaseId, taskId, stepId, attempt, residencyId } of event.leases) {
      const before = this.granted.get(leaseId) ?? null;
      if (before !== null && before.closed?.how !== 'released')
        this.#found('GRANTED_TWICE', seq, `lease ${leaseId} was granted at ${before.token} already`, taskId);
      const slots = residencyId === undefined ? cpuSlots(server) : server.memory.slotsOf(residencyId);
      const place = `${residencyId ?? 'cpu'} on ${event.serverId}`;
      const taken = [...server.live.values()].filter((other) => other.residencyId === residencyId).length + 1;
      if (server.draining)
        this.#found(
          'PLACE_NOT_OPEN',
          seq,
          `lease ${leaseId} is for ${place}, which is being drained`,
          taskId,
        );
      else if (slots === null)
        this.#found('PLACE_NOT_OPEN', seq, `lease ${leaseId} is for ${place}, which is not loaded`, taskId);
      else if (taken > slots)
        this.#found(
          'SLOTS_OVERCOMMITTED',
          seq,
          `${taken} leases of ${place}, which has ${slots} slots`,
          taskId,
        );
      const lease: GrantedLease = {
        leaseId,
        taskId,
        stepId,
        attempt,
        serverId: event.serverId,
        residencyId,
        token: seq,
        atMs: Date.parse(record.time),
        closed: null,
        before,
      };
      server.live.set(leaseId, lease);
      this.granted.set(leaseId, lease);
    }
  }

  #close(server: AuditedServer, event: LeasesReleased | LeasesExpired, record: AuditRecord): void {
    const { seq } = record;
    const how = event.type === 'lease.released' ? 'released' : 'expired';
    const end: LeaseEnd = { seq, atMs: Date.parse(record.time), how, afterTask: causeIn(record, 'tsk') };
    for (const leaseId of event.leaseIds) {
      const lease = server.live.get(leaseId);
      if (server.live.delete(leaseId) && lease) lease.closed = end;
      else this.#found('NOT_LIVE', seq, `lease ${leaseId} on ${event.serverId} was ${how} and is not live`);
    }
  }

  #found(rule: RuleName, seq: number, message: string, taskId?: TaskId): void {
    this.findings.add(
      rule,
      { stream: this.stream, seq, ...(taskId === undefined ? {} : { taskId }) },
      message,
    );
  }
}

const cpuSlots = ({ spec }: AuditedServer): number | null => (spec.kind === 'cpu' ? spec.slots : null);
