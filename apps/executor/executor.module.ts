import { Module, type DynamicModule } from '@nestjs/common';
import { Executor } from './executor.service.js';

/** Wiring only: the executor has no routes; it takes its work from the log. */
@Module({})
export class ExecutorModule {
  static with(executor: Executor): DynamicModule {
    return { module: ExecutorModule, providers: [{ provide: Executor, useValue: executor }] };
  }
}
