import { Module } from '@nestjs/common';

/** Wires nothing by injection: the executor has no routes, and its parts are made in `start-executor.ts`. */
@Module({})
export class ExecutorModule {}
