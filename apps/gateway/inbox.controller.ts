import { Body, Controller, Get, Headers, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { TaskView } from '#libs/contracts/queries.js';
import { Answering } from './answering.js';
import { schemaRef } from './http/openapi-schemas.js';
import { stepIdOf, taskIdOf } from './http/request-parts.js';
import { inboxItemView, questionView } from './inbox-view.js';
import { AnswerDto, InboxDto } from './inbox.dto.js';
import { PlatformClient } from './platform-client.js';
import { ResultsClient } from './results-client.js';
import { undecided, type Undecided } from './submitted-view.js';

const PAGE_SIZE_DEFAULT = 50;

/** What waits for people, and their answers. */
@ApiTags('people')
@Controller('api/v1')
export class InboxController {
  constructor(
    @Inject(PlatformClient) private readonly platform: PlatformClient,
    @Inject(Answering) private readonly answering: Answering,
    @Inject(ResultsClient) private readonly results: ResultsClient,
  ) {}

  @Get('inbox')
  @ApiOperation({ summary: 'What waits for people, the oldest question first' })
  @ApiResponse({ status: 200, description: 'A page of it.', schema: schemaRef('InboxPage') })
  async inbox(@Query() { assignee, workspace, after, page_size: limit }: InboxDto): Promise<object> {
    const { items, next } = await this.platform.inbox({
      limit: limit ?? PAGE_SIZE_DEFAULT,
      ...(assignee === undefined ? {} : { assignee }),
      ...(workspace === undefined ? {} : { workspace }),
      ...(after === undefined ? {} : { after }),
    });
    return { items: items.map(inboxItemView), next };
  }

  @Get('tasks/:id/steps/:stepId/question')
  @ApiOperation({ summary: 'What a step asks, with all that is needed to answer it' })
  @ApiParam({ name: 'id' })
  @ApiParam({ name: 'stepId' })
  @ApiResponse({ status: 200, description: 'The question.', schema: schemaRef('Question') })
  async question(@Param('id') id: string, @Param('stepId') stepId: string): Promise<object> {
    return questionView(await this.answering.question(taskIdOf(id), stepIdOf(stepId)));
  }

  @Post('tasks/:id/steps/:stepId/answer')
  @ApiOperation({
    summary: 'Answer what a step asks',
    description:
      'The first answer counts. Every later one is refused with `STEP_ALREADY_ANSWERED`, who answered and when.',
  })
  @ApiParam({ name: 'id' })
  @ApiParam({ name: 'stepId' })
  @ApiResponse({ status: 200, description: 'The answer counts: the task.', schema: schemaRef('Task') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Undecided') })
  async answer(
    @Param('id') id: string,
    @Param('stepId') stepId: string,
    @Body() { seq, comment, ...body }: AnswerDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TaskView | Undecided> {
    const taskId = taskIdOf(id);
    const sent = { ...body, comment: comment ?? null, ...(seq === undefined ? {} : { waitingSeq: seq }) };
    const counts = await this.answering.answer(taskId, stepIdOf(stepId), sent, traceparent);
    void reply.status(counts ? 200 : 202);
    return counts ? await this.results.ask<TaskView>({ kind: 'task', taskId }) : undecided(taskId);
  }
}
