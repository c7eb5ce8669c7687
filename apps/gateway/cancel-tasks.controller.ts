import { randomUUID } from 'node:crypto';
import { Body, Controller, Headers, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CANCELLED_MAX, CancelTasksDto, choiceOf } from './cancel-tasks.dto.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
import { SchedulerClient } from './scheduler-client.js';

/** Ten thousand events with a sync of each take seconds on a slow disk. */
const ANSWER_WITHIN_MS = 10_000;

const FILTERS = 'workspace, template, labels, priority_min, priority_max, status';

@ApiTags('tasks')
@Controller('api/v1/tasks/cancel')
export class CancelTasksController {
  constructor(@Inject(SchedulerClient) private readonly scheduler: SchedulerClient) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Cancel open tasks by filter',
    description:
      'At least one filter is needed. Those that wait are over at once; those that run are over when their servers were seen free. ' +
      'Where `more` is true, send the same again.',
  })
  @ApiResponse({ status: 200, description: 'What was cancelled.', schema: schemaRef('TasksCancelled') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Stored') })
  async cancel(
    @Body() body: CancelTasksDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const choice = choiceOf(body);
    if (Object.keys(choice).length === 0) throw withoutFilter();
    const { reason = 'asked by a client', limit = CANCELLED_MAX } = body;
    const answer = await this.scheduler.send(
      { kind: 'cancel-many', commandId: randomUUID(), choice, reason, tasksMax: limit },
      traceparent,
      ANSWER_WITHIN_MS,
    );
    if (answer === null) {
      void reply.status(202);
      return { status: 'accepted' };
    }
    if (!answer.ok) throw ApiError.of(answer.failure);
    const { cancelled = [], stopping = [], more = false } = answer.tasks ?? {};
    const counts = { matched: cancelled.length + stopping.length };
    return {
      ...counts,
      cancelled: cancelled.length,
      stopping: stopping.length,
      more,
      ids: { cancelled, stopping },
    };
  }
}

/** An empty body is more likely a mistake than the wish to end everything. */
const withoutFilter = (): ApiError => {
  const message = `A filter is needed; give at least one of ${FILTERS} (all open tasks: "status": ["queued", "running"]).`;
  return new ApiError('VALIDATION_FAILED', message, [
    { path: 'body', message: 'has no filter', accepted: `at least one of ${FILTERS}` },
  ]);
};
