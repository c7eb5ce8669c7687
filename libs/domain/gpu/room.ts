import type { ResidencyId, ServerId } from '../ids.js';
import type { Ledger, Residency, Server } from './gpu.js';
import { sameModel } from './profile.js';

/**
 * Ollama loads a model beside others only into this share of what is free (server/sched.go); where it does not fit, Ollama makes room by
 * its own choice, which must never happen.
 */
export const BESIDE_SHARE = 0.8;

/** Whether a model can be loaded while these residencies are gone: wholly into an empty server, or beside what is left. */
export const fits = (
  server: Server,
  model: string,
  needBytes: number,
  gone: ReadonlySet<ResidencyId>,
): boolean => {
  let [used, others] = [0, 0];
  for (const { residencyId, bytes } of server.residencies.values()) {
    if (gone.has(residencyId)) continue;
    used += bytes;
    others += 1;
  }
  for (const foreign of server.foreign) {
    if (sameModel(foreign.model, model)) continue;
    used += foreign.bytes;
    others += 1;
  }
  const free = server.spec.vramBytes - used;
  return needBytes <= (others === 0 ? free : free * (server.spec.besideShare ?? BESIDE_SHARE));
};

/**
 * Bytes that no residency (loading and unloading included) and no foreign model occupies. A foreign model does not
 * count against a load of that very model: the load takes it over.
 */
export const freeBytes = (server: Server, forModel?: string): number => {
  let used = 0;
  for (const { bytes } of server.residencies.values()) used += bytes;
  for (const { model, bytes } of server.foreign) {
    if (forModel === undefined || !sameModel(model, forModel)) used += bytes;
  }
  return server.spec.vramBytes - used;
};

/** Slots in use: of one residency, or of the whole CPU server where no residency is named. */
export const busySlots = (server: Server, residencyId?: ResidencyId): number => {
  if (residencyId === undefined) return server.leases.size;
  let busy = 0;
  for (const lease of server.leases.values()) if (lease.residencyId === residencyId) busy += 1;
  return busy;
};

export const residencyOf = (server: Server, key: string): Residency | undefined => {
  for (const residency of server.residencies.values()) if (residency.key === key) return residency;
  return undefined;
};

/** What one slot of a residency is of its server's memory; undefined for what is not there, and for a CPU slot. */
export const vramShareOf = (
  { servers }: Ledger,
  serverId: ServerId,
  residencyId: ResidencyId | undefined,
): number | undefined => {
  const server = servers.get(serverId);
  const residency = residencyId === undefined ? undefined : server?.residencies.get(residencyId);
  return server && residency
    ? residency.bytes / Math.max(1, server.spec.vramBytes) / residency.slots
    : undefined;
};
