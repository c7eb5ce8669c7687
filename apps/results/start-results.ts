import { randomUUID } from 'node:crypto';
import { answerKey } from '#libs/answer-links/answer-key.js';
import { AnswerLinks } from '#libs/answer-links/answer-links.js';
import { jetStreamArtifactShelf } from '#libs/artifacts/jetstream.artifact-shelf.js';
import type { RemoveArtifacts } from '#libs/contracts/commands.js';
import { BUCKETS, STREAMS } from '#libs/contracts/streams.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import { jetStreamCandidacy } from '#libs/event-log/jetstream.candidacy.js';
import { jetStreamInbox } from '#libs/event-log/jetstream.inbox.js';
import { jetStreamRecordStore } from '#libs/event-log/jetstream.record-store.js';
import { systemClock } from '#libs/runtime/clock.js';
import { createRpcApp } from '#libs/runtime/rpc-app.js';
import { inboxPrefixOf } from '#libs/runtime/broker-client.js';
import { jetStreamSnapshotStore } from '#libs/event-log/jetstream.snapshot-store.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import { ArtifactKeeper } from './artifacts/artifact-keeper.js';
import type { Database } from './database/database.js';
import { PostgresDatabase } from './database/postgres.database.js';
import { SqliteDatabase } from './database/sqlite.database.js';
import type { LinkToAnswer } from './notify/message-link.js';
import { NotificationWatch } from './notify/notification-watch.js';
import { Notifier } from './notify/notifier.js';
import { PastExplainer } from './past/past-explainer.js';
import { ReadModel } from './read-model.js';
import type { ResultsConfig } from './results.config.js';
import { ResultsModule } from './results.module.js';

export const startResults = async (
  context: ServiceContext,
  config: ResultsConfig,
): Promise<RunningService> => {
  const { connection, logger, health } = context;
  const logs = {
    tasks: jetStreamEventLog(connection, STREAMS.tasks),
    leases: jetStreamEventLog(connection, STREAMS.leases),
  };
  const snapshotsOf = ({ name }: { readonly name: string }) =>
    jetStreamSnapshotStore(connection, {
      bucket: BUCKETS.snapshots.name,
      log: name,
      inboxPrefix: inboxPrefixOf('results'),
    });
  const readModel = new ReadModel(databaseOf(config, logger), logs, logger, config.lagReadyMax);
  const past = new PastExplainer({
    logs,
    snapshots: { tasks: snapshotsOf(STREAMS.tasks), leases: snapshotsOf(STREAMS.leases) },
    onSnapshotFailure: (error) =>
      logger.warn({ error: String(error) }, 'a snapshot was not read; the log has everything'),
    readModel,
    logger,
  });
  const watch = new NotificationWatch(config.notificationsFile, logger);
  const linkToAnswer = answersBy(await answerKey(config.dataDir));
  const notifier = notifierOf(context, logs.tasks, watch, linkToAnswer);
  const unwatch = await watch.start();
  health.add('projection', readModel.health);
  const keeper = keeperOf(context, config, logs.tasks, readModel);
  health.add('notifications', notifier.health);
  health.add('artifacts', keeper.health);
  readModel.start();
  const module = ResultsModule.with({ readModel, past, notifier, logger });
  const app = await createRpcApp(module, connection, logger);
  const stopping = new AbortController();
  const working = [notifier.run(stopping.signal), keeper.run(stopping.signal)];
  return {
    // Questions first, then what answers them.
    stop: async () => {
      await app.close();
      stopping.abort();
      await Promise.all(working);
      await unwatch();
      await past.stop();
      await readModel.stop();
    },
  };
};

const keeperOf = (
  { connection, logger }: ServiceContext,
  config: ResultsConfig,
  log: EventLog,
  readModel: ReadModel,
): ArtifactKeeper => {
  const commands = jetStreamInbox(connection, STREAMS.commands);
  return new ArtifactKeeper({
    shelf: jetStreamArtifactShelf(connection),
    readModel,
    log,
    ask: async (asked) => {
      const commandId = randomUUID();
      const data: RemoveArtifacts = { kind: 'remove-artifacts', commandId, ...asked };
      await commands.put({ id: commandId, subject: SUBJECTS.command(data.kind, commandId), data });
    },
    clock: systemClock,
    keepMs: config.artifactsKeepMs,
    maxBytes: config.artifactsMaxBytes,
    everyMs: config.artifactsCheckMs,
    logger,
  });
};

const notifierOf = (
  { connection, instance, logger }: ServiceContext,
  log: EventLog,
  watch: NotificationWatch,
  linkToAnswer: LinkToAnswer,
): Notifier =>
  new Notifier({
    linkToAnswer,
    log,
    store: jetStreamRecordStore(connection, STREAMS.notifications.name, SUBJECTS.notifications),
    candidacy: jetStreamCandidacy(connection, {
      bucket: BUCKETS.leaders.name,
      key: 'notifier',
      node: instance,
      ttlMs: BUCKETS.leaders.ttlMs,
      random: Math.random,
    }),
    watch,
    clock: systemClock,
    random: Math.random,
    newId: randomUUID,
    logger,
  });

/** Signed with the key of the gateway, to whose page it leads. */
const answersBy =
  (key: Buffer): LinkToAnswer =>
  (to, { publicUrl, until }) =>
    new AnswerLinks(key, () => publicUrl).linkFor(to, { nowMs: systemClock.nowMs(), until }).url;

const databaseOf = ({ databaseUrl, dataDir }: ResultsConfig, logger: Logger): Database =>
  databaseUrl === undefined ? new SqliteDatabase(dataDir, logger) : new PostgresDatabase(databaseUrl);
