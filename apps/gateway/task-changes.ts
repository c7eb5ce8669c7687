import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { CancelTask, ChangePriority, MoveTask } from '#libs/contracts/commands.js';
import type { TaskView } from '#libs/contracts/queries.js';
import { ApiError } from './http/problem.js';
import { ResultsClient } from './results-client.js';
import { SchedulerClient } from './scheduler-client.js';
import { undecided, type Undecided } from './submitted-view.js';

/** Changes of one task. */
@Injectable()
export class TaskChanges {
  constructor(
    @Inject(SchedulerClient) private readonly scheduler: SchedulerClient,
    @Inject(ResultsClient) private readonly results: ResultsClient,
  ) {}

  /** The task as it is after the change, or that the change is stored and will be decided; with this status, or 202. */
  async change(
    command: ChangePriority | MoveTask | CancelTask,
    traceparent: string | undefined,
    reply: FastifyReply,
    status: number,
  ): Promise<TaskView | Undecided> {
    const { taskId } = command;
    const answer = await this.scheduler.send(command, traceparent);
    void reply.status(answer === null ? 202 : status);
    if (answer === null) return undecided(taskId);
    if (!answer.ok) throw ApiError.of(answer.failure);
    return await this.results.ask<TaskView>({ kind: 'task', taskId });
  }
}
