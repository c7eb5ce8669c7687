import { Body, Controller, Headers, Inject, Param, Post, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { TaskView } from '#libs/contracts/queries.js';
import { schemaRef } from './http/openapi-schemas.js';
import { idempotencyKeyOf, taskIdOf } from './http/request-parts.js';
import { Metrics } from './metrics.js';
import { pastTaskOf } from './past-task.js';
import { RerunDto } from './rerun.dto.js';
import { ResultsClient } from './results-client.js';
import { Submission } from './submission.js';
import { SUBMISSION_STATUS, submissionOutcome, submittedView, TASKS_PATH } from './submitted-view.js';
import { TaskHistory } from './task-history.js';

@ApiTags('tasks')
@Controller('api/v1/tasks/:id/rerun')
export class RerunController {
  constructor(
    @Inject(Submission) private readonly submission: Submission,
    @Inject(TaskHistory) private readonly history: TaskHistory,
    @Inject(ResultsClient) private readonly results: ResultsClient,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Run a task that is over once more, as a new one',
    description:
      'With the template version, parameters, priority, labels and dependencies of the old one, and no `run_at`, `deadline_at` or `queue_ttl_ms`.',
  })
  @ApiParam({ name: 'id' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'The same key with the same request finds the first rerun.',
  })
  @ApiResponse({ status: 201, description: 'Accepted and queued.', schema: schemaRef('Submitted') })
  @ApiResponse({
    status: 200,
    description: 'The key was seen before: the first rerun.',
    schema: schemaRef('Task'),
  })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Submitted') })
  async rerun(
    @Param('id') given: string,
    @Body() { from_step: fromStep }: RerunDto,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const idempotencyKey = idempotencyKeyOf(key);
    const past = pastTaskOf(await this.history.all(taskIdOf(given)));
    const submitted = await this.submission.rerun(past, fromStep, idempotencyKey, traceparent);
    const { outcome, id } = submissionOutcome(submitted);
    this.metrics.submitted(submitted.command.template.name, outcome);
    void reply.header('location', `${TASKS_PATH}/${id}`).status(SUBMISSION_STATUS[outcome]);
    if (outcome === 'repeated') return await this.results.ask<TaskView>({ kind: 'task', taskId: id });
    return submittedView(submitted);
  }
}
