import type { ForeignModel, GpuEvent, ServerSpec } from '#libs/domain/gpu/events.js';
import type { Server } from '#libs/domain/gpu/gpu.js';
import { sameModel } from '#libs/domain/gpu/profile.js';
import type { ServerId } from '#libs/domain/ids.js';
import type { ModelRunner, ResidentModel } from '#libs/model-runner/model-runner.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Recorder } from './recorder.js';
import { failureOf, type ResidencyKeeper } from './residency-keeper.js';

export type WatchOptions = {
  readonly recorder: Recorder;
  readonly keeper: ResidencyKeeper;
  readonly clock: Clock;
  readonly runnerOf: (serverId: ServerId) => ModelRunner;
  readonly probeEveryMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/** A process list can stall for seconds while the server loads or unloads something; one slow answer is no death. */
const PROBE_TIMEOUT_MS = 15_000;

/**
 * Looks at every server again and again and records what changed: reachable or not, models that are not ours, residencies
 * that are gone because the server was restarted.
 */
export class ServerWatch {
  readonly #looking = new Map<ServerId, Promise<void>>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: WatchOptions) {}

  start(): void {
    this.#timer = setInterval(() => this.lookAtAll(), this.options.probeEveryMs);
    this.lookAtAll();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.allSettled(this.#looking.values());
  }

  lookAtAll(): void {
    for (const { spec } of this.options.recorder.ledger.servers.values()) {
      if (spec.kind === 'cpu' || this.#looking.has(spec.serverId)) continue;
      const look = this.#look(spec).finally(() => this.#looking.delete(spec.serverId));
      this.#looking.set(spec.serverId, look);
    }
  }

  async #look(spec: ServerSpec): Promise<void> {
    const { runnerOf, keeper, recorder, clock, signal, logger } = this.options;
    const { serverId } = spec;
    if (keeper.isBusy(serverId)) return;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
    try {
      const { version } = await runnerOf(serverId).probe(limit);
      const resident = await runnerOf(serverId).listResident(limit);
      const server = recorder.ledger.servers.get(serverId);
      // What was seen while a load or an unload began or ended may be either state; the next look will tell.
      if (server === undefined || keeper.isBusy(serverId) || signal.aborted) return;
      recorder.record(observed(server, version, resident, rfc3339(clock.nowMs())));
    } catch (error) {
      const server = recorder.ledger.servers.get(serverId);
      if (server === undefined || server.state === 'down' || signal.aborted) return;
      const reason = failureOf(error).message;
      logger.warn({ serverId, reason }, 'server is down');
      recorder.record(lost(server, reason, rfc3339(clock.nowMs())));
    }
  }
}

/** What one look at a server adds to the facts; nothing when all is as known. */
export const observed = (
  server: Server,
  version: string,
  resident: readonly ResidentModel[],
  at: string,
): readonly GpuEvent[] => {
  const { serverId } = server.spec;
  const ours = [...server.residencies.values()];
  const events: GpuEvent[] = [];
  for (const { residencyId, profile } of ours) {
    if (resident.some(({ model }) => sameModel(model, profile.model))) continue;
    events.push({
      type: 'residency.unloaded',
      serverId,
      residencyId,
      reason: 'the server no longer lists it',
      at,
    });
  }
  const foreign: ForeignModel[] = resident
    .filter(({ model }) => !ours.some(({ profile }) => sameModel(profile.model, model)))
    .map(({ model, sizeBytes }) => ({ model, bytes: sizeBytes }));
  const changed =
    server.state !== 'up' ||
    server.version !== version ||
    JSON.stringify(server.foreign) !== JSON.stringify(foreign);
  if (changed) events.push({ type: 'server.state-changed', serverId, state: 'up', version, foreign, at });
  return events;
};

/** A server that does not answer holds nothing that could be used; its leases end by their own time. */
const lost = (server: Server, reason: string, at: string): readonly GpuEvent[] => {
  const { serverId } = server.spec;
  const gone = [...server.residencies.values()].map(({ residencyId }): GpuEvent => ({
    type: 'residency.unloaded',
    serverId,
    residencyId,
    reason: 'the server is down',
    at,
  }));
  return [
    { type: 'server.state-changed', serverId, state: 'down', reason, foreign: server.foreign, at },
    ...gone,
  ];
};
