import { createHash, randomUUID } from 'node:crypto';
import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  Put,
  Query,
  Res,
} from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { ScheduleCommand } from '#libs/contracts/commands.js';
import { systemClock } from '#libs/runtime/clock.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
import { idempotencyKeyOf, scheduleIdOf } from './http/request-parts.js';
import { PlatformClient } from './platform-client.js';
import {
  ListSchedulesDto,
  NextTimesDto,
  PauseScheduleDto,
  PutScheduleDto,
  ResumeScheduleDto,
} from './put-schedule.dto.js';
import { SchedulePutting } from './schedule-putting.js';
import { scheduleView, upcomingView } from './schedule-view.js';
import { SchedulerClient } from './scheduler-client.js';
import { SUBMISSION_STATUS, TASKS_PATH } from './submitted-view.js';
import { newTaskId } from './task-id.js';

const PATH = '/api/v1/schedules';
const PAGE_SIZE_DEFAULT = 50;
const NEXT_DEFAULT = 10;
const SOMEBODY = 'a client';
const ID = { name: 'id', example: 'nightly-report' };
const STORED = { status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Stored') };

/** Tasks that are submitted by the clock. */
@ApiTags('schedules')
@Controller(PATH.slice(1))
export class SchedulesController {
  constructor(
    @Inject(SchedulePutting) private readonly putting: SchedulePutting,
    @Inject(SchedulerClient) private readonly scheduler: SchedulerClient,
    @Inject(PlatformClient) private readonly platform: PlatformClient,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List schedules, by id; without their parameters' })
  @ApiResponse({ status: 200, description: 'A page of them.', schema: schemaRef('SchedulePage') })
  async list(@Query() { workspace, after, page_size: limit }: ListSchedulesDto): Promise<object> {
    const { items, next } = await this.platform.schedules({
      limit: limit ?? PAGE_SIZE_DEFAULT,
      ...(after === undefined ? {} : { after }),
      ...(workspace === undefined ? {} : { workspace }),
    });
    return { items: items.map(scheduleView), next };
  }

  @Get(':id')
  @ApiOperation({ summary: 'One schedule, with when it is due next, its last firing and its last error' })
  @ApiParam(ID)
  @ApiResponse({ status: 200, description: 'The schedule.', schema: schemaRef('Schedule') })
  async get(@Param('id') given: string): Promise<object> {
    return await this.#view(scheduleIdOf(given));
  }

  @Get(':id/next')
  @ApiOperation({
    summary: 'When a schedule is due next',
    description: 'As if nothing else happened; of a paused schedule, as if it were resumed now.',
  })
  @ApiParam(ID)
  @ApiResponse({ status: 200, description: 'The next due times.', schema: schemaRef('NextTimes') })
  async next(@Param('id') given: string, @Query() { count }: NextTimesDto): Promise<object> {
    const { next } = await this.platform.schedule(scheduleIdOf(given), count ?? NEXT_DEFAULT);
    return { items: next.map(upcomingView) };
  }

  @Put(':id')
  @ApiOperation({
    summary: 'Create a schedule, or replace all that it says',
    description:
      'One of `cron`, `every` and `at` says when it is due. The same again changes nothing. What was due before a change is decided by what held then.',
  })
  @ApiParam(ID)
  @ApiResponse({
    status: 200,
    description: 'It was changed, or is so already.',
    schema: schemaRef('Schedule'),
  })
  @ApiResponse({ status: 201, description: 'It was created.', schema: schemaRef('Schedule') })
  @ApiResponse(STORED)
  async put(
    @Param('id') given: string,
    @Body() body: PutScheduleDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const id = scheduleIdOf(given);
    const answer = await this.putting.put(id, body, traceparent);
    void reply.header('location', `${PATH}/${id}`);
    return await this.#answered(id, answer, reply);
  }

  @Delete(':id')
  @ApiOperation({ summary: 'Remove a schedule; its tasks go on' })
  @ApiParam(ID)
  @ApiResponse({ status: 204, description: 'It was removed.' })
  @ApiResponse(STORED)
  async remove(
    @Param('id') given: string,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object | undefined> {
    const scheduleId = scheduleIdOf(given);
    const command = { kind: 'remove-schedule', commandId: randomUUID(), scheduleId } as const;
    const answer = await this.scheduler.send(command, traceparent);
    if (answer?.ok === false) throw ApiError.of(answer.failure);
    void reply.status(answer === null ? 202 : 204);
    return answer === null ? { status: 'accepted' } : undefined;
  }

  @Post(':id/pause')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Pause a schedule',
    description:
      'It is not due until it is resumed, and what would have been due meanwhile is not made up for.',
  })
  @ApiParam(ID)
  @ApiResponse({ status: 200, description: 'The schedule.', schema: schemaRef('Schedule') })
  @ApiResponse(STORED)
  async pause(
    @Param('id') given: string,
    @Body() { reason = 'no reason given', by = SOMEBODY }: PauseScheduleDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const command = {
      kind: 'pause-schedule',
      commandId: randomUUID(),
      scheduleId: scheduleIdOf(given),
      reason,
      by,
    } as const;
    return await this.#change(command, traceparent, reply);
  }

  @Post(':id/resume')
  @HttpCode(200)
  @ApiOperation({ summary: 'Resume a schedule: due again from now on' })
  @ApiParam(ID)
  @ApiResponse({ status: 200, description: 'The schedule.', schema: schemaRef('Schedule') })
  @ApiResponse(STORED)
  async resume(
    @Param('id') given: string,
    @Body() { by = SOMEBODY }: ResumeScheduleDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const command = {
      kind: 'resume-schedule',
      commandId: randomUUID(),
      scheduleId: scheduleIdOf(given),
      by,
    } as const;
    return await this.#change(command, traceparent, reply);
  }

  @Post(':id/fire')
  @ApiOperation({
    summary: 'Fire a schedule now',
    description:
      'Its task is submitted whether it is paused, finished or has open tasks; it counts for no `max_firings`.',
  })
  @ApiParam(ID)
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'The same key finds the first task.' })
  @ApiResponse({ status: 201, description: 'Accepted and queued.', schema: schemaRef('Fired') })
  @ApiResponse({
    status: 200,
    description: 'The key was seen before: the first task.',
    schema: schemaRef('Fired'),
  })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Fired') })
  async fire(
    @Param('id') given: string,
    @Headers('idempotency-key') givenKey: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const [scheduleId, key] = [scheduleIdOf(given), idempotencyKeyOf(givenKey)];
    const taskId = newTaskId(systemClock.nowMs());
    const requestHash = createHash('sha256').update(`fire ${scheduleId}`).digest('hex');
    const idempotency = key === undefined ? {} : { idempotency: { key, requestHash } };
    const command = { kind: 'fire-schedule', commandId: taskId, scheduleId, taskId, ...idempotency } as const;
    const answer = await this.scheduler.send(command, traceparent);
    if (answer?.ok === false) throw ApiError.of(answer.failure);
    const id = answer?.taskId ?? taskId;
    const outcome = answer === null ? 'stored' : answer.repeated ? 'repeated' : 'queued';
    void reply.header('location', `${TASKS_PATH}/${id}`).status(SUBMISSION_STATUS[outcome]);
    const status = answer === null ? 'accepted' : 'queued';
    return { id, schedule_id: scheduleId, status, status_url: `${TASKS_PATH}/${id}` };
  }

  async #change(
    command: ScheduleCommand,
    traceparent: string | undefined,
    reply: FastifyReply,
  ): Promise<object> {
    return await this.#answered(command.scheduleId, await this.scheduler.send(command, traceparent), reply);
  }

  async #answered(
    id: string,
    answer: Awaited<ReturnType<SchedulerClient['send']>>,
    reply: FastifyReply,
  ): Promise<object> {
    if (answer?.ok === false) throw ApiError.of(answer.failure);
    void reply.status(answer === null ? 202 : answer.created ? 201 : 200);
    return answer === null ? { status: 'accepted' } : await this.#view(id);
  }

  async #view(id: string): Promise<object> {
    return scheduleView(await this.platform.schedule(id, 1));
  }
}
