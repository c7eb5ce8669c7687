import { randomUUID } from 'node:crypto';
import { BUCKETS, STREAMS } from '#libs/contracts/streams.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import { jetStreamCandidacy } from '#libs/event-log/jetstream.candidacy.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { jetStreamSnapshotStore } from '#libs/event-log/jetstream.snapshot-store.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { standForElection } from '#libs/event-log/leadership.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import { rfc3339, systemClock } from '#libs/runtime/clock.js';
import { inboxPrefixOf } from '#libs/runtime/broker-client.js';
import { createRpcApp } from '#libs/runtime/rpc-app.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import type { AllocatorConfig } from './allocator.config.js';
import { AllocatorModule } from './allocator.module.js';
import { AllocatorService } from './allocator.service.js';

export const startAllocator = async (
  context: ServiceContext,
  config: AllocatorConfig,
): Promise<RunningService> => {
  const { connection, instance, logger, health } = context;
  const stopping = new AbortController();
  const allocator = new AllocatorService({
    tasks: jetStreamEventLog(connection, STREAMS.tasks),
    runnerFor: ({ url = '' }: ServerSpec) =>
      new OllamaModelRunner({
        baseUrl: url,
        callTimeoutMs: config.probeTimeoutMs,
        firstTokenTimeoutMs: config.loadTimeoutMs,
        unloadTimeoutMs: config.unloadTimeoutMs,
      }),
    newResidencyId: randomUUID,
    store: jetStreamSnapshotStore(connection, {
      bucket: BUCKETS.snapshots.name,
      log: STREAMS.leases.name,
      inboxPrefix: inboxPrefixOf('gpu-allocator'),
    }),
    clock: systemClock,
    config,
    logger,
  });
  const unwatch = await allocator.watchServers();
  health.add('leases', allocator.health);
  const app = await createRpcApp(AllocatorModule.with(allocator), connection, logger);
  const election = standForElection({
    log: jetStreamEventLog(connection, STREAMS.leases),
    candidacy: jetStreamCandidacy(connection, {
      bucket: BUCKETS.leaders.name,
      key: 'allocator',
      node: instance,
      ttlMs: BUCKETS.leaders.ttlMs,
      random: Math.random,
    }),
    reset: () => allocator.reset(),
    restore: () => allocator.restore(),
    fold: (event) => allocator.fold(event),
    opening: (at) =>
      openingEvent(
        at,
        { id: randomUUID(), node: instance, time: rfc3339(systemClock.nowMs()) },
        SUBJECTS.allocator,
      ),
    term: (writer, opening, signal) => allocator.lead(writer, opening, signal),
    onTermOver: (reason) => logger.warn({ reason: reason.message }, 'term over'),
    signal: stopping.signal,
  });
  election.catch((error: unknown) => context.fail(error));
  return {
    stop: async () => {
      if (config.unloadOnStop) await bounded(allocator.unloadIdle(), config.shutdownGraceMs);
      stopping.abort();
      await election.catch(() => undefined);
      await unwatch();
      await app.close();
    },
  };
};

/** Waits for it, but no longer than this: a server that is slow to unload must not keep us from stopping. */
const bounded = async (work: Promise<void>, limitMs: number): Promise<void> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
  await Promise.race([work, limit]);
  clearTimeout(timer);
};
