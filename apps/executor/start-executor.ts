import type { PresentReply, ServerView } from '#libs/contracts/lease-rpc.js';
import type { NotifyReply } from '#libs/contracts/notify-rpc.js';
import { randomUUID } from 'node:crypto';
import { join, resolve } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NatsConnection } from '@nats-io/transport-node';
import { jetStreamArtifactStore } from '#libs/artifacts/jetstream.artifact-store.js';
import { DISPATCH_CONSUMER, STREAMS } from '#libs/contracts/streams.js';
import { RPC, SUBJECTS } from '#libs/contracts/subjects.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { jetStreamInbox } from '#libs/event-log/jetstream.inbox.js';
import { jetStreamWorkFeed } from '#libs/event-log/jetstream.work-feed.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import { systemClock } from '#libs/runtime/clock.js';
import type { HealthCheck } from '#libs/runtime/health.js';
import { nestLogger } from '#libs/runtime/logger.js';
import { rpcRequest } from '#libs/runtime/rpc-client.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import { SecretSources } from '#libs/secrets/secret-sources.js';
import { TaskArtifacts } from './artifacts/task-artifacts.js';
import { allSteps } from './all-steps.js';
import type { ExecutorConfig } from './executor.config.js';
import { ExecutorModule } from './executor.module.js';
import { Executor } from './executor.service.js';
import { startPlugins } from './plugins/start-plugins.js';
import { LeaseKeeper } from './lease-keeper.js';
import { GivenSecrets } from './secrets/given-secrets.js';
import { secretPlaces } from '#libs/secrets/secret.settings.js';
import type { Notify } from './steps/notify.step.js';
import { ServerDirectory } from './server-directory.js';
import { TaskWorkspaces } from './workspace/task-workspaces.js';

/** The allocator answers from memory; a second without an answer means that it is away. */
const RPC_TIMEOUT_MS = 1_000;

/** A message is in the store when it is answered: a look into the log and a sync to disk. */
const NOTIFY_TIMEOUT_MS = 5_000;

/** Reports that the broker has not taken, beyond which the executor says that it is not ready. */
const UNREPORTED_MAX = 1_000;

export const startExecutor = async (
  context: ServiceContext,
  config: ExecutorConfig,
): Promise<RunningService> => {
  const { connection, instance, logger, health } = context;
  const clock = systemClock;
  const leases = new LeaseKeeper({
    executorId: instance,
    present: (request) => rpcRequest<PresentReply>(connection, RPC.presentLeases, request, RPC_TIMEOUT_MS),
    clock,
    logger,
  });
  const directory = new ServerDirectory(
    () => rpcRequest<readonly ServerView[]>(connection, RPC.listServers, {}, RPC_TIMEOUT_MS),
    (url) =>
      new OllamaModelRunner({
        baseUrl: url,
        watchdogNoProgressMs: config.noProgressMs,
        firstTokenTimeoutMs: config.firstTokenMs,
      }),
    clock.nowMs,
  );
  const tasks = jetStreamEventLog(connection, STREAMS.tasks);
  const { steps, sandbox } = await allSteps(config, {
    logger,
    notify: notifyBy(connection),
    artifacts: new TaskArtifacts({ store: jetStreamArtifactStore(connection), tasks, newId: randomUUID }),
  });
  const plugins = await startPlugins({ connection, instance, clock }, config, logger);
  const workspaces = new TaskWorkspaces({
    folder: resolve(config.workDir ?? join(config.dataDir, 'work')),
    maxBytes: config.workspaceMaxBytes,
    tasks,
    logger,
  });
  const executor = new Executor({
    executorId: instance,
    steps,
    secrets: givenSecrets(config),
    openWorkspace: (dispatch) => workspaces.open(dispatch),
    plugins: plugins.step,
    urlOf: (serverId) => directory.urlOf(serverId),
    runnerOf: (serverId) => directory.runnerOf(serverId),
    live: (message) => connection.publish(SUBJECTS.live(message.taskId), JSON.stringify(message)),
    clock,
    outputMaxBytes: config.outputMaxBytes,
    feed: jetStreamWorkFeed(connection, DISPATCH_CONSUMER),
    tasks,
    reports: jetStreamInbox(connection, STREAMS.reports),
    leases,
    logger,
  });
  const app = await NestFactory.createApplicationContext(ExecutorModule.with(executor), {
    logger: nestLogger(logger),
  });
  await workspaces.start();
  await executor.start();
  plugins.announce();
  health.add('attempts', () => healthOf(executor, workspaces.count, sandbox.kind));
  health.add('plugins', () => ({ reasons: [], progress: { problems: plugins.problems.length } }));
  return {
    stop: async () => {
      plugins.stop();
      await executor.stop(config.shutdownGraceMs);
      await workspaces.stop();
      await app.close();
    },
  };
};

const givenSecrets = (config: ExecutorConfig): GivenSecrets => {
  const sources = new SecretSources(secretPlaces(config, process.env));
  return new GivenSecrets((name, seeker) => sources.read(name, seeker));
};
const notifyBy =
  (connection: NatsConnection): Notify =>
  async (request) =>
    await rpcRequest<NotifyReply>(connection, RPC.notify, request, NOTIFY_TIMEOUT_MS + request.waitMs);

const healthOf = (executor: Executor, workspaces: number, sandbox: string): ReturnType<HealthCheck> => ({
  reasons: executor.unreported > UNREPORTED_MAX ? [`${executor.unreported} reports wait for the broker`] : [],
  progress: {
    running: executor.running,
    started: executor.started,
    reported: executor.reported,
    unreported: executor.unreported,
    workspaces,
    sandbox,
  },
});
