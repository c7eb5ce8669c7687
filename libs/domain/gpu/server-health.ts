import type { ForeignModel, GpuEvent } from './events.js';
import type { Server } from './gpu.js';
import { sameModel } from './profile.js';

/** A model as a server lists it. */
export type ListedModel = { readonly model: string; readonly sizeBytes: number };

/** What one look at a server that does what it is asked adds to the facts; nothing when all is as known. */
export const serverSeen = (
  server: Server,
  seen: { readonly version: string; readonly resident: readonly ListedModel[] },
  at: string,
): readonly GpuEvent[] => {
  const { serverId } = server.spec;
  const foreign = foreignIn(server, seen.resident);
  const changed =
    server.health !== 'up' || server.version !== seen.version || !sameModels(server.foreign, foreign);
  const { version } = seen;
  return [
    ...residenciesGone(server, seen.resident, at),
    ...(changed
      ? [{ type: 'server.state-changed', serverId, state: 'up', version, foreign, at } as const]
      : []),
  ];
};

/** Residencies that the server no longer lists: it was restarted, or somebody else made room there. */
export const residenciesGone = (
  server: Server,
  resident: readonly ListedModel[],
  at: string,
): readonly GpuEvent[] => {
  const { serverId } = server.spec;
  return [...server.residencies.values()]
    .filter(({ profile }) => !resident.some(({ model }) => sameModel(model, profile.model)))
    .map(({ residencyId }) => ({
      type: 'residency.unloaded',
      serverId,
      residencyId,
      reason: 'the server no longer lists it',
      at,
    }));
};

/** Listed models that no residency of ours stands for. */
export const foreignIn = (
  { residencies }: Server,
  resident: readonly ListedModel[],
): readonly ForeignModel[] => {
  const ours = [...residencies.values()];
  return resident
    .filter(({ model }) => !ours.some(({ profile }) => sameModel(profile.model, model)))
    .map(({ model, sizeBytes }) => ({ model, bytes: sizeBytes }));
};

const sameModels = (a: readonly ForeignModel[], b: readonly ForeignModel[]): boolean =>
  a.length === b.length &&
  a.every(({ model, bytes }, place) => model === b[place]?.model && bytes === b[place]?.bytes);

/**
 * A server that is gone, or has not said a word for long, holds nothing that could be used. Its leases go first: their
 * attempts are lost and get another one elsewhere, without waiting for executors that still hope.
 */
export const serverLost = (server: Server, reason: string, at: string): readonly GpuEvent[] => {
  const { serverId } = server.spec;
  const leaseIds = [...server.leases.keys()];
  return [
    ...(leaseIds.length === 0
      ? []
      : [{ type: 'lease.expired', serverId, leaseIds, ttlMs: 0, reason: 'the server is down', at } as const]),
    ...(server.health === 'down'
      ? []
      : [{ type: 'server.state-changed', serverId, state: 'down', reason, foreign: [], at } as const]),
    ...[...server.residencies.keys()].map((residencyId): GpuEvent => ({
      type: 'residency.unloaded',
      serverId,
      residencyId,
      reason: 'the server is down',
      at,
    })),
  ];
};

/**
 * A server that answers but does not do what it was asked. Nothing new is placed there; what runs may end, because an
 * answer of hours is worth more than a quick recovery, and the executors give up what makes no progress.
 */
export const serverSuspected = (server: Server, reason: string, at: string): readonly GpuEvent[] => {
  const { spec, health, foreign } = server;
  if (health === 'down' || (health === 'suspect' && server.reason === reason)) return [];
  return [{ type: 'server.state-changed', serverId: spec.serverId, state: 'suspect', reason, foreign, at }];
};
