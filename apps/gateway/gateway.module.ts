import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { AnswerLinks } from '#libs/answer-links/answer-links.js';
import { Answering } from './answering.js';
import { AnswersController } from './answers.controller.js';
import { ArtifactDownload } from './artifact-download.js';
import { ArtifactUpload } from './artifact-upload.js';
import { ArtifactsController } from './artifacts.controller.js';
import { CancelTasksController } from './cancel-tasks.controller.js';
import { HealthController } from './health.controller.js';
import { InboxController } from './inbox.controller.js';
import { LateDecisions } from './late-decisions.js';
import { Metrics } from './metrics.js';
import { MoveController } from './move.controller.js';
import { NotificationsClient } from './notifications-client.js';
import { NotificationsController } from './notifications.controller.js';
import { PausesController } from './pauses.controller.js';
import { PlatformClient } from './platform-client.js';
import { PluginShelf } from './plugin-shelf.js';
import { PluginsController } from './plugins.controller.js';
import { QueueController } from './queue.controller.js';
import { ItemsController } from './items.controller.js';
import { RerunController } from './rerun.controller.js';
import { ResultsClient } from './results-client.js';
import { SchedulePutting } from './schedule-putting.js';
import { SchedulesController } from './schedules.controller.js';
import { SchedulerClient } from './scheduler-client.js';
import { ServersController } from './servers.controller.js';
import { Submission } from './submission.js';
import { TaskChanges } from './task-changes.js';
import { TaskHistory } from './task-history.js';
import { TaskStream } from './task-stream.js';
import { TasksController } from './tasks.controller.js';
import { TemplateFinder } from './template-finder.js';
import { TemplateRendering } from './template-rendering.js';
import { TemplateShelf } from './template-shelf.js';
import { TemplatesController } from './templates.controller.js';
import { UploadsController } from './uploads.controller.js';
import { WorkflowSubmission } from './workflow-submission.js';
import { WorkflowsController } from './workflows.controller.js';

/** The parts that the controllers use; made in `start-gateway.ts`, where the broker connection is. */
export type GatewayParts = {
  readonly scheduler: SchedulerClient;
  readonly results: ResultsClient;
  readonly platform: PlatformClient;
  readonly notifications: NotificationsClient;
  readonly submission: Submission;
  readonly workflows: WorkflowSubmission;
  readonly schedules: SchedulePutting;
  readonly links: AnswerLinks;
  readonly late: LateDecisions;
  readonly history: TaskHistory;
  readonly stream: TaskStream;
  readonly shelf: TemplateShelf;
  readonly templates: TemplateFinder;
  readonly rendering: TemplateRendering;
  readonly metrics: Metrics;
  readonly plugins: PluginShelf;
  readonly downloads: ArtifactDownload;
  readonly uploads: ArtifactUpload;
};

@Module({})
export class GatewayModule {
  static with(parts: GatewayParts): DynamicModule {
    return wired([
      { provide: SchedulerClient, useValue: parts.scheduler },
      { provide: ResultsClient, useValue: parts.results },
      { provide: PlatformClient, useValue: parts.platform },
      { provide: NotificationsClient, useValue: parts.notifications },
      { provide: Submission, useValue: parts.submission },
      { provide: WorkflowSubmission, useValue: parts.workflows },
      { provide: SchedulePutting, useValue: parts.schedules },
      { provide: TaskHistory, useValue: parts.history },
      { provide: TaskStream, useValue: parts.stream },
      { provide: TemplateShelf, useValue: parts.shelf },
      { provide: TemplateFinder, useValue: parts.templates },
      { provide: TemplateRendering, useValue: parts.rendering },
      { provide: Metrics, useValue: parts.metrics },
      { provide: PluginShelf, useValue: parts.plugins },
      { provide: ArtifactDownload, useValue: parts.downloads },
      { provide: ArtifactUpload, useValue: parts.uploads },
      { provide: LateDecisions, useValue: parts.late },
      { provide: AnswerLinks, useValue: parts.links },
    ]);
  }

  /** The routes alone, for the OpenAPI document: nothing is behind them. */
  static routesOnly(): DynamicModule {
    const behind = [
      SchedulerClient,
      ResultsClient,
      PlatformClient,
      NotificationsClient,
      Submission,
      WorkflowSubmission,
      SchedulePutting,
      TaskHistory,
      TaskStream,
      TemplateShelf,
      TemplateFinder,
      TemplateRendering,
      Metrics,
      PluginShelf,
      ArtifactDownload,
      ArtifactUpload,
      LateDecisions,
      AnswerLinks,
    ];
    return wired(behind.map((provide) => ({ provide, useValue: null })));
  }
}

const wired = (providers: Provider[]): DynamicModule => ({
  module: GatewayModule,
  controllers: [
    CancelTasksController,
    RerunController,
    ItemsController,
    ArtifactsController,
    UploadsController,
    MoveController,
    InboxController,
    AnswersController,
    TasksController,
    WorkflowsController,
    SchedulesController,
    TemplatesController,
    ServersController,
    PluginsController,
    QueueController,
    PausesController,
    NotificationsController,
    HealthController,
  ],
  providers: [...providers, TaskChanges, Answering],
});
