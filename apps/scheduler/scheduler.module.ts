import { Module, type DynamicModule } from '@nestjs/common';
import { SchedulerController } from './scheduler.controller.js';
import { SchedulerService } from './scheduler.service.js';

/** Wiring only: the service is made in `start-scheduler.ts`, where its streams and its broker connection are. */
@Module({})
export class SchedulerModule {
  static with(scheduler: SchedulerService): DynamicModule {
    return {
      module: SchedulerModule,
      controllers: [SchedulerController],
      providers: [{ provide: SchedulerService, useValue: scheduler }],
    };
  }
}
