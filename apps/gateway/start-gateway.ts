import { randomUUID } from 'node:crypto';
import { answerKey } from '#libs/answer-links/answer-key.js';
import { AnswerLinks } from '#libs/answer-links/answer-links.js';
import { jetStreamArtifactStore } from '#libs/artifacts/jetstream.artifact-store.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { jetStreamInbox } from '#libs/event-log/jetstream.inbox.js';
import { allHeard, hearWorkers } from '#libs/plugins/hear-workers.js';
import { systemClock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import { openTemplateFolder, type TemplateFolder } from '#libs/template/template-folder.js';
import { ArtifactDownload } from './artifact-download.js';
import { ArtifactUpload } from './artifact-upload.js';
import type { GatewayConfig } from './gateway.config.js';
import { GatewayModule, type GatewayParts } from './gateway.module.js';
import { createHttpApp } from './http/http-app.js';
import { LateDecisions } from './late-decisions.js';
import { Metrics } from './metrics.js';
import { NotificationsClient } from './notifications-client.js';
import { PlatformClient } from './platform-client.js';
import { PluginShelf } from './plugin-shelf.js';
import { ResultsClient } from './results-client.js';
import { SchedulePutting } from './schedule-putting.js';
import { SchedulerClient } from './scheduler-client.js';
import { Submission } from './submission.js';
import { TaskHistory } from './task-history.js';
import { TaskStream } from './task-stream.js';
import { TemplateFinder } from './template-finder.js';
import { TemplateRegistry } from './template-registry.js';
import { TemplateRendering } from './template-rendering.js';
import { TemplateShelf } from './template-shelf.js';
import { TemplateVersions } from './template-versions.js';
import { ToldPosition } from './told-position.js';
import { WorkflowSubmission } from './workflow-submission.js';

export const startGateway = async (
  context: ServiceContext,
  config: GatewayConfig,
): Promise<RunningService> => {
  const { connection, logger, health } = context;
  const tasks = jetStreamEventLog(connection, STREAMS.tasks);
  const position = new ToldPosition();
  const scheduler = new SchedulerClient(
    connection,
    jetStreamInbox(connection, STREAMS.commands),
    randomUUID(),
    position,
  );
  const registry = new TemplateRegistry((command) => scheduler.post(command));
  const folder = await openTemplates(config.templatesDir, registry, logger);
  const shelf = new TemplateShelf(folder);
  const templates = new TemplateFinder(shelf, new TemplateVersions(tasks));
  const platform = new PlatformClient(connection);
  const late = new LateDecisions();
  const store = jetStreamArtifactStore(connection);
  let listening = '';
  const links = new AnswerLinks(await answerKey(config.dataDir), () => config.publicUrl ?? listening);
  const stream = new TaskStream(connection, tasks, config.streamsMax, logger, position);
  const parts: GatewayParts = {
    scheduler,
    platform,
    shelf,
    templates,
    rendering: new TemplateRendering(templates, config.numCtx),
    plugins: new PluginShelf(hearWorkers(connection, systemClock.nowMs, { unusable: true }), allHeard()),
    results: new ResultsClient(connection, position),
    notifications: new NotificationsClient(connection),
    downloads: new ArtifactDownload(store, logger),
    uploads: new ArtifactUpload(store, scheduler),
    late,
    links,
    submission: new Submission(templates, scheduler, config.numCtx, systemClock, late, registry),
    workflows: new WorkflowSubmission(templates, scheduler, config.numCtx, systemClock, late, registry),
    schedules: new SchedulePutting(templates, scheduler, config.numCtx, registry),
    history: new TaskHistory(tasks, position),
    stream,
    metrics: new Metrics(platform, () => ({ streams: stream.open, waiting: scheduler.waiting })),
  };
  const app = await createHttpApp({
    module: GatewayModule.with(parts),
    bodyMaxBytes: config.bodyMaxBytes,
    apiKey: config.apiKey,
    logger,
    answered: (method, route, status, seconds) => parts.metrics.answered(method, route, status, seconds),
  });
  await app.listen({ host: config.host, port: config.port });
  const url = await app.getUrl();
  listening = url;
  logger.info({ url, templates: shelf.list().length }, 'listening');
  health.add('http', () => ({ reasons: [], progress: progressOf(parts, url, position) }));
  return {
    stop: async () => {
      stream.close();
      await app.close();
      await folder.close();
    },
  };
};

const progressOf = (
  { shelf, stream, scheduler }: GatewayParts,
  url: string,
  position: ToldPosition,
): Record<string, string | number> => ({
  url,
  templates: shelf.list().length,
  templateProblems: shelf.problems().length,
  streams: stream.open,
  waiting: scheduler.waiting,
  tasksSeq: position.seq,
});

/** The folder, each new version of which the scheduler is told: those that changed while no gateway ran are, too. */
const openTemplates = async (
  directory: string,
  registry: TemplateRegistry,
  logger: Logger,
): Promise<TemplateFolder> => {
  const offer = (): Promise<void> =>
    registry
      .offer(folder.list())
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'templates were not registered'));
  const folder = await openTemplateFolder(directory, {
    onChange: (change) => {
      logger.info(change, 'templates changed');
      void offer();
    },
  });
  await offer();
  return folder;
};
