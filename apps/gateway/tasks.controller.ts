// The reader's tour starts here: a request becomes a command. Next: libs/domain/task/decide.ts, which decides about it.
import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiBody, ApiHeader, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Command, CommandAnswer } from '#libs/contracts/commands.js';
import type { StatusCounts, TaskPage, TaskView } from '#libs/contracts/queries.js';
import { ApiError } from './http/problem.js';
import { idempotencyKeyOf, taskIdOf } from './http/request-parts.js';
import { EventsDto, filterOf, ListTasksDto, TaskFilterDto } from './list-tasks.dto.js';
import { ResultsClient } from './results-client.js';
import { SchedulerClient } from './scheduler-client.js';
import { Submission } from './submission.js';
import { PriorityDto, SubmitTaskDto } from './submit-task.dto.js';
import { TaskHistory, type HistoryPage } from './task-history.js';
import { TaskStream } from './task-stream.js';

const PAGE_SIZE_DEFAULT = 50;
const EVENTS_DEFAULT = 200;

/** What clients do with tasks. Decides nothing: it checks, translates, and shows. */
@ApiTags('tasks')
@Controller('api/v1/tasks')
export class TasksController {
  constructor(
    @Inject(Submission) private readonly submission: Submission,
    @Inject(SchedulerClient) private readonly scheduler: SchedulerClient,
    @Inject(ResultsClient) private readonly results: ResultsClient,
    @Inject(TaskHistory) private readonly history: TaskHistory,
    @Inject(TaskStream) private readonly stream: TaskStream,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Submit a task' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'The same key with the same body finds the first task.',
  })
  @ApiBody({ type: SubmitTaskDto })
  @ApiResponse({ status: 201, description: 'Accepted and queued.' })
  @ApiResponse({ status: 200, description: 'The idempotency key was seen before: the first task.' })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.' })
  async submit(
    @Body() body: SubmitTaskDto,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const { command, answer } = await this.submission.submit(body, idempotencyKeyOf(key), traceparent);
    if (answer?.ok === false) throw ApiError.of(answer.failure);
    const id = answer?.taskId ?? command.taskId;
    const location = `/api/v1/tasks/${id}`;
    void reply.header('location', location).status(answer === null ? 202 : answer.repeated ? 200 : 201);
    if (answer?.repeated) return await this.results.ask<TaskView>({ kind: 'task', taskId: id });
    return {
      id,
      status: answer === null ? 'accepted' : 'queued',
      workspace: command.workspace,
      priority: command.priority,
      template: command.template,
      depends_on: command.dependsOn,
      labels: command.labels,
      created_at: command.submittedAt,
      status_url: location,
    };
  }

  @Get()
  @ApiOperation({ summary: 'List tasks, newest first' })
  async list(@Query() query: ListTasksDto): Promise<TaskPage> {
    if (query.after !== undefined && query.before !== undefined) {
      throw new ApiError('VALIDATION_FAILED', 'after and before exclude each other; send one of them.', [
        { path: 'before', value: query.before, message: 'after was sent too', accepted: 'after or before' },
      ]);
    }
    return await this.results.ask<TaskPage>({
      kind: 'tasks',
      filter: filterOf(query),
      page: {
        size: query.page_size ?? PAGE_SIZE_DEFAULT,
        ...(query.after === undefined ? {} : { after: query.after }),
        ...(query.before === undefined ? {} : { before: query.before }),
      },
    });
  }

  @Get('status')
  @ApiOperation({ summary: 'Count tasks by status and template' })
  async counts(@Query() query: TaskFilterDto): Promise<StatusCounts> {
    return await this.results.ask<StatusCounts>({ kind: 'status-counts', filter: filterOf(query) });
  }

  @Get(':id')
  @ApiOperation({ summary: 'One task' })
  @ApiParam({ name: 'id' })
  async get(@Param('id') id: string): Promise<TaskView> {
    return await this.results.ask<TaskView>({ kind: 'task', taskId: taskIdOf(id) });
  }

  @Patch(':id/priority')
  @ApiOperation({ summary: 'Change the priority of an open task' })
  @ApiBody({ type: PriorityDto })
  async setPriority(@Param('id') id: string, @Body() { priority }: PriorityDto): Promise<TaskView> {
    await this.#decided({ kind: 'priority', commandId: randomUUID(), taskId: taskIdOf(id), priority });
    return await this.get(id);
  }

  @Delete(':id')
  @HttpCode(202)
  @ApiOperation({
    summary: 'Cancel a task',
    description:
      'A running task is over when its server was seen free: follow it until its status is `cancelled`.',
  })
  async cancel(@Param('id') id: string): Promise<TaskView> {
    const reason = 'asked by a client';
    await this.#decided({ kind: 'cancel', commandId: randomUUID(), taskId: taskIdOf(id), reason });
    return await this.get(id);
  }

  @Get(':id/events')
  @ApiOperation({ summary: 'The history of a task, from the log' })
  async events(@Param('id') id: string, @Query() query: EventsDto): Promise<HistoryPage> {
    return await this.history.page(taskIdOf(id), query.after_seq ?? 0, query.limit ?? EVENTS_DEFAULT);
  }

  @Get(':id/stream')
  @ApiOperation({
    summary: 'State and tokens as they come (server-sent events)',
    description:
      'State events carry their log sequence as id; send it as Last-Event-ID to go on exactly behind it. Tokens have no id.',
  })
  @ApiHeader({ name: 'Last-Event-ID', required: false })
  async follow(
    @Param('id') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.get(id);
    await this.stream.serve(taskIdOf(id), lastEventId, request, reply);
  }

  async #decided(command: Command): Promise<CommandAnswer & { readonly ok: true }> {
    const answer = await this.scheduler.send(command);
    if (answer === null) {
      throw new ApiError(
        'SERVICE_UNAVAILABLE',
        'The request is stored, but the scheduler has not decided it yet; look again in a moment.',
      );
    }
    if (!answer.ok) throw ApiError.of(answer.failure);
    return answer;
  }
}
