import type { GpuEvent } from '#libs/domain/gpu/events.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';

/**
 * Folds a batch of the `LEASES` stream into rows: who held which slot from when to when, and what the models on the
 * servers took. The sequence of a grant is the lease's fencing token.
 */
export type LeaseChanges = {
  readonly granted: readonly GrantedRow[];
  readonly ended: readonly EndedRow[];
  readonly loading: readonly ResidencyRow[];
  readonly loaded: readonly {
    readonly residencyId: string;
    readonly vramBytes: number;
    readonly loadedAt: string;
  }[];
  readonly unloaded: readonly { readonly residencyId: string; readonly endedAt: string }[];
};

export type GrantedRow = {
  readonly leaseId: string;
  readonly taskId: string;
  readonly stepId: string;
  readonly attempt: number;
  readonly serverId: string;
  readonly residencyId: string | null;
  readonly token: number;
  readonly grantedAt: string;
};

export type EndedRow = {
  readonly leaseId: string;
  readonly ended: 'released' | 'expired';
  readonly endedAt: string;
};

export type ResidencyRow = {
  readonly residencyId: string;
  readonly serverId: string;
  readonly model: string;
  readonly startedAt: string;
};

export const foldLeaseEvents = (events: readonly StoredEvent[]): LeaseChanges => {
  const changes: Growing = {
    granted: [],
    ended: new Map(),
    loading: [],
    loaded: new Map(),
    unloaded: new Map(),
  };
  for (const event of events) {
    if (event.version <= DATA_VERSION_MAX) collect(changes, typedEvent<GpuEvent>(event), event.seq);
  }
  const { granted, ended, loading, loaded, unloaded } = changes;
  return {
    granted,
    loading,
    ended: [...ended.values()],
    loaded: [...loaded.values()],
    unloaded: [...unloaded.values()],
  };
};

/** Highest version of an event's data that is understood here. */
const DATA_VERSION_MAX = 1;

/** What updates rows is kept by key: one statement must not touch a row twice. */
type Growing = {
  readonly granted: GrantedRow[];
  readonly ended: Map<string, EndedRow>;
  readonly loading: ResidencyRow[];
  readonly loaded: Map<string, LeaseChanges['loaded'][number]>;
  readonly unloaded: Map<string, LeaseChanges['unloaded'][number]>;
};

const collect = (changes: Growing, event: GpuEvent, seq: number): void => {
  switch (event.type) {
    case 'lease.granted':
      for (const { residencyId = null, ...lease } of event.leases) {
        changes.granted.push({
          ...lease,
          residencyId,
          serverId: event.serverId,
          token: seq,
          grantedAt: event.at,
        });
      }
      break;
    case 'lease.released':
    case 'lease.expired': {
      const ended = event.type === 'lease.released' ? 'released' : 'expired';
      for (const leaseId of event.leaseIds) {
        if (!changes.ended.has(leaseId)) changes.ended.set(leaseId, { leaseId, ended, endedAt: event.at });
      }
      break;
    }
    case 'residency.load-started': {
      const { residencyId, serverId, profile, at } = event;
      changes.loading.push({ residencyId, serverId, model: profile.model, startedAt: at });
      break;
    }
    case 'residency.loaded':
      changes.loaded.set(event.residencyId, {
        residencyId: event.residencyId,
        vramBytes: event.vramBytes,
        loadedAt: event.at,
      });
      break;
    case 'residency.load-failed':
    case 'residency.unloaded':
      changes.unloaded.set(event.residencyId, { residencyId: event.residencyId, endedAt: event.at });
      break;
    default:
      // Servers and their states are not part of the read model, and newer events are for newer readers.
      break;
  }
};
