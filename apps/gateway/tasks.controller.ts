// The reader's tour starts here: a request becomes a command. Next: libs/domain/task/decide.ts, which decides about it.
import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StatusCounts, TaskPage, TaskView } from '#libs/contracts/queries.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
import { idempotencyKeyOf, taskIdOf } from './http/request-parts.js';
import { EventsDto, filterOf, ListTasksDto, TaskFilterDto } from './list-tasks.dto.js';
import { ExplainDto, momentOf } from './explain.dto.js';
import { explanationView, type ExplanationView } from './explanation-view.js';
import { LateDecisions } from './late-decisions.js';
import { Metrics } from './metrics.js';
import { PlatformClient } from './platform-client.js';
import { PluginShelf } from './plugin-shelf.js';
import { ResultsClient } from './results-client.js';
import { Submission } from './submission.js';
import {
  SUBMISSION_STATUS,
  submissionOutcome,
  submittedView,
  TASKS_PATH,
  undecided,
  type Undecided,
} from './submitted-view.js';
import { TaskChanges } from './task-changes.js';
import { CancelTaskDto } from './cancel-tasks.dto.js';
import { PriorityDto, SubmitTaskDto } from './submit-task.dto.js';
import { TaskHistory, type HistoryPage } from './task-history.js';
import { TaskStream } from './task-stream.js';

const PAGE_SIZE_DEFAULT = 50;
const EVENTS_DEFAULT = 200;

/** What clients do with tasks. Decides nothing: it checks, translates, and shows. */
@ApiTags('tasks')
@Controller(TASKS_PATH.slice(1))
export class TasksController {
  constructor(
    @Inject(Submission) private readonly submission: Submission,
    @Inject(TaskChanges) private readonly changes: TaskChanges,
    @Inject(ResultsClient) private readonly results: ResultsClient,
    @Inject(TaskHistory) private readonly history: TaskHistory,
    @Inject(TaskStream) private readonly stream: TaskStream,
    @Inject(LateDecisions) private readonly late: LateDecisions,
    @Inject(Metrics) private readonly metrics: Metrics,
    @Inject(PlatformClient) private readonly platform: PlatformClient,
    @Inject(PluginShelf) private readonly plugins: PluginShelf,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Submit a task' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'The same key with the same body finds the first task; with another body it is refused (422).',
  })
  @ApiResponse({ status: 201, description: 'Accepted and queued.', schema: schemaRef('Submitted') })
  @ApiResponse({
    status: 200,
    description: 'The key was seen before: the first task.',
    schema: schemaRef('Task'),
  })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Submitted') })
  async submit(
    @Body() body: SubmitTaskDto,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const submitted = await this.submission.submit(body, idempotencyKeyOf(key), traceparent);
    const { outcome, id } = submissionOutcome(submitted);
    this.metrics.submitted(submitted.command.template.name, outcome);
    void reply.header('location', `${TASKS_PATH}/${id}`).status(SUBMISSION_STATUS[outcome]);
    return outcome === 'repeated' ? await this.#view(id) : submittedView(submitted);
  }

  @Get()
  @ApiOperation({ summary: 'List tasks, newest first' })
  @ApiResponse({ status: 200, description: 'A page of them.', schema: schemaRef('TaskPage') })
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
  @ApiResponse({ status: 200, description: 'The counts.', schema: schemaRef('StatusCounts') })
  async counts(@Query() query: TaskFilterDto): Promise<StatusCounts> {
    return await this.results.ask<StatusCounts>({ kind: 'status-counts', filter: filterOf(query) });
  }

  @Get(':id')
  @ApiOperation({ summary: 'One task' })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'The task.', schema: schemaRef('Task') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Undecided') })
  async get(
    @Param('id') given: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TaskView | Undecided> {
    const id = taskIdOf(given);
    const decision = this.late.of(id);
    switch (decision?.kind) {
      case 'open':
        void reply.status(202);
        return undecided(id);
      case 'refused':
        throw ApiError.of(decision.failure);
      case 'repeated':
        return await this.#view(decision.taskId);
      case undefined:
        return await this.#view(id);
    }
  }

  @Get(':id/explain')
  @ApiOperation({ summary: 'Why a task waits: what each of its steps is waiting for, and who has it' })
  @ApiParam({ name: 'id' })
  @ApiResponse({
    status: 200,
    description: 'As the scheduler sees it now, or as it saw it at that moment.',
    schema: schemaRef('Explanation'),
  })
  async explain(@Param('id') given: string, @Query() { at }: ExplainDto): Promise<ExplanationView> {
    const id = taskIdOf(given);
    const reply =
      at === undefined
        ? await this.platform.explain(id)
        : await this.results.explainPast(id, momentOf(at, Date.now()));
    if (reply.kind === 'unknown') throw new ApiError('TASK_UNKNOWN', `There is no task '${id}'.`);
    return explanationView(id, reply);
  }

  @Patch(':id/priority')
  @ApiOperation({ summary: 'Change the priority of an open task' })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'The task.', schema: schemaRef('Task') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Undecided') })
  async setPriority(
    @Param('id') given: string,
    @Body() { priority }: PriorityDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TaskView | Undecided> {
    const taskId = taskIdOf(given);
    return await this.changes.change(
      { kind: 'priority', commandId: randomUUID(), taskId, priority },
      traceparent,
      reply,
      200,
    );
  }

  @Delete(':id')
  @ApiOperation({
    summary: 'Cancel a task',
    description:
      'A running task is over when its server was seen free: follow it until its status is `cancelled`. The steps under `finally` of its template run then; with `force=true` they do not, or are stopped.',
  })
  @ApiParam({ name: 'id' })
  @ApiResponse({
    status: 202,
    description: 'The task, cancelled or being cancelled.',
    schema: schemaRef('Task'),
  })
  async cancel(
    @Param('id') given: string,
    @Query() { force }: CancelTaskDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TaskView | Undecided> {
    const taskId = taskIdOf(given);
    const reason = 'asked by a client';
    return await this.changes.change(
      {
        kind: 'cancel',
        commandId: randomUUID(),
        taskId,
        reason,
        ...(force === 'true' ? { force: true } : {}),
      },
      traceparent,
      reply,
      202,
    );
  }

  @Get(':id/events')
  @ApiOperation({ summary: 'The history of a task, from the log' })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'A page of its events.', schema: schemaRef('EventPage') })
  async events(@Param('id') id: string, @Query() query: EventsDto): Promise<HistoryPage> {
    return await this.history.page(taskIdOf(id), query.after_seq ?? 0, query.limit ?? EVENTS_DEFAULT);
  }

  @Get(':id/stream')
  @ApiOperation({
    summary: 'State and tokens as they come (server-sent events)',
    description:
      'State events carry their log sequence as id; send it as Last-Event-ID to go on exactly behind it. Tokens have no id. The stream ends with the event that ends the task.',
  })
  @ApiParam({ name: 'id' })
  @ApiHeader({ name: 'Last-Event-ID', required: false })
  @ApiResponse({ status: 200, description: 'The stream.', content: { 'text/event-stream': {} } })
  @ApiResponse({ status: 204, description: 'The task is over and nothing came behind Last-Event-ID.' })
  async follow(
    @Param('id') id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.stream.serve(taskIdOf(id), lastEventId, request, reply);
  }

  async #view(taskId: string): Promise<TaskView> {
    return this.plugins.withMissing(await this.results.ask<TaskView>({ kind: 'task', taskId }));
  }
}
