import { randomUUID } from 'node:crypto';
import type { EnsureResidentReply, GrantReply } from '#libs/contracts/lease-rpc.js';
import { BUCKETS, STREAMS } from '#libs/contracts/streams.js';
import { RPC, SUBJECTS } from '#libs/contracts/subjects.js';
import { jetStreamCandidacy } from '#libs/event-log/jetstream.candidacy.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { jetStreamInbox } from '#libs/event-log/jetstream.inbox.js';
import { jetStreamSnapshotStore } from '#libs/event-log/jetstream.snapshot-store.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { standForElection } from '#libs/event-log/leadership.js';
import { hearWorkers } from '#libs/plugins/hear-workers.js';
import { rfc3339, systemClock } from '#libs/runtime/clock.js';
import { inboxPrefixOf } from '#libs/runtime/broker-client.js';
import { rpcRequest } from '#libs/runtime/rpc-client.js';
import { createRpcApp } from '#libs/runtime/rpc-app.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import { Answers } from './answers.js';
import type { SchedulerConfig } from './scheduler.config.js';
import { SchedulerModule } from './scheduler.module.js';
import { SchedulerService } from './scheduler.service.js';

/** A grant is answered when it is in the log: milliseconds, or a few syncs to disk. */
const GRANT_TIMEOUT_MS = 3_000;

/** The allocator may ask an inference server for a model's size first, and that may be busy. */
const ENSURE_TIMEOUT_MS = 20_000;

export const startScheduler = async (
  context: ServiceContext,
  config: SchedulerConfig,
): Promise<RunningService> => {
  const { connection, instance, logger, health } = context;
  const stopping = new AbortController();
  const tasks = jetStreamEventLog(connection, STREAMS.tasks);
  const snapshotsOf = (log: { readonly name: string }) =>
    jetStreamSnapshotStore(connection, {
      bucket: BUCKETS.snapshots.name,
      log: log.name,
      inboxPrefix: inboxPrefixOf('scheduler'),
    });
  const workers = hearWorkers(connection, systemClock.nowMs, { changed: () => scheduler.workerHeard() });
  const scheduler = new SchedulerService({
    workerTypes: () => workers.types(),
    leases: jetStreamEventLog(connection, STREAMS.leases),
    commands: jetStreamInbox(connection, STREAMS.commands),
    reports: jetStreamInbox(connection, STREAMS.reports),
    allocator: {
      grant: (request) => rpcRequest<GrantReply>(connection, RPC.grantLeases, request, GRANT_TIMEOUT_MS),
      giveBack: (leaseIds) => connection.publish(RPC.giveBackLeases, JSON.stringify({ leaseIds })),
      ensureResident: (request) =>
        rpcRequest<EnsureResidentReply>(connection, RPC.ensureResident, request, ENSURE_TIMEOUT_MS),
    },
    answers: new Answers((to, answers) => connection.publish(to, JSON.stringify(answers))),
    clock: systemClock,
    random: Math.random,
    newLeaseId: randomUUID,
    snapshots: { tasks: snapshotsOf(STREAMS.tasks), leases: snapshotsOf(STREAMS.leases) },
    config,
    logger,
  });
  const unwatch = await scheduler.watchPolicy();
  health.add('scheduling', scheduler.health);
  const app = await createRpcApp(SchedulerModule.with(scheduler), connection, logger);
  const election = standForElection({
    log: tasks,
    candidacy: jetStreamCandidacy(connection, {
      bucket: BUCKETS.leaders.name,
      key: 'scheduler',
      node: instance,
      ttlMs: BUCKETS.leaders.ttlMs,
      random: Math.random,
    }),
    reset: () => scheduler.reset(),
    restore: () => scheduler.restore(),
    fold: (event) => scheduler.fold(event),
    opening: (at) =>
      openingEvent(
        at,
        { id: randomUUID(), node: instance, time: rfc3339(systemClock.nowMs()) },
        SUBJECTS.scheduler,
      ),
    term: (writer, opening, signal) => scheduler.lead(writer, opening, signal),
    onTermOver: (reason) => logger.warn({ reason: reason.message }, 'term over'),
    signal: stopping.signal,
  });
  election.catch((error: unknown) => context.fail(error));
  return {
    stop: async () => {
      stopping.abort();
      await election.catch(() => undefined);
      await unwatch();
      await app.close();
    },
  };
};
