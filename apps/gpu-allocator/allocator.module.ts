import { Module, type DynamicModule } from '@nestjs/common';
import { AllocatorController } from './allocator.controller.js';
import { AllocatorService } from './allocator.service.js';

/** Wiring only: the service is made in `start-allocator.ts`, where its streams and its broker connection are. */
@Module({})
export class AllocatorModule {
  static with(allocator: AllocatorService): DynamicModule {
    return {
      module: AllocatorModule,
      controllers: [AllocatorController],
      providers: [{ provide: AllocatorService, useValue: allocator }],
    };
  }
}
