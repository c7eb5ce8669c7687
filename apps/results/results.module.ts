import { Module, type DynamicModule } from '@nestjs/common';
import type { Logger } from '#libs/runtime/logger.js';
import { Notifier } from './notify/notifier.js';
import { NotifierController } from './notify/notifier.controller.js';
import { PastExplainer } from './past/past-explainer.js';
import { QueryService } from './query/query.service.js';
import { ReadModel } from './read-model.js';
import { ResultsController } from './results.controller.js';

/**
 * Wiring only: the read model is made in `start-results.ts`, where its streams and its database are. It opens and
 * replaces MikroORM instances while it runs (a rebuild exchanges the tables), so none of them is a provider.
 */
@Module({})
export class ResultsModule {
  static with(parts: {
    readonly readModel: ReadModel;
    readonly past: PastExplainer;
    readonly notifier: Notifier;
    readonly logger: Logger;
  }): DynamicModule {
    const { readModel, past, notifier, logger } = parts;
    return {
      module: ResultsModule,
      controllers: [ResultsController, NotifierController],
      providers: [
        { provide: ReadModel, useValue: readModel },
        { provide: PastExplainer, useValue: past },
        { provide: Notifier, useValue: notifier },
        { provide: QueryService, useValue: new QueryService(readModel, logger) },
      ],
    };
  }
}
