import { randomUUID } from 'node:crypto';
import { Body, Controller, Delete, Get, Headers, Inject, Param, Put, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { PauseScheduling, ResumeScheduling } from '#libs/contracts/commands.js';
import { scopeOf, SCOPES_ACCEPTED, type PauseScope } from '#libs/domain/task/pauses.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError, shown } from './http/problem.js';
import { PauseDto, ResumeDto } from './pauses.dto.js';
import { PlatformClient } from './platform-client.js';
import { SchedulerClient } from './scheduler-client.js';

const SOMEBODY = 'a client';
const SCOPE = { name: 'scope', description: SCOPES_ACCEPTED, example: 'workspace:team-a' };

/** Holds back the start of what waits; what runs goes on. */
@ApiTags('pauses')
@Controller('api/v1/pauses')
export class PausesController {
  constructor(
    @Inject(SchedulerClient) private readonly scheduler: SchedulerClient,
    @Inject(PlatformClient) private readonly platform: PlatformClient,
  ) {}

  @Get()
  @ApiOperation({ summary: 'What is paused, by whom, since when and why' })
  @ApiResponse({ status: 200, description: 'The pauses.', schema: schemaRef('PauseList') })
  async list(): Promise<object> {
    return { items: await this.platform.pauses() };
  }

  @Put(':scope')
  @ApiOperation({
    summary: 'Pause the queue, a workspace, a template or a server',
    description:
      'Nothing new starts there; what runs goes on, and what waits keeps its place. Again with another reason: that counts.',
  })
  @ApiParam(SCOPE)
  @ApiResponse({ status: 200, description: 'What is paused now.', schema: schemaRef('PauseList') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Stored') })
  async pause(
    @Param('scope') given: string,
    @Body() { reason = 'no reason given', by = SOMEBODY }: PauseDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const command = { kind: 'pause', commandId: randomUUID(), scope: scopeIn(given), reason, by } as const;
    return await this.#change(command, traceparent, reply);
  }

  @Delete(':scope')
  @ApiOperation({ summary: 'Lift a pause' })
  @ApiParam(SCOPE)
  @ApiResponse({ status: 200, description: 'What is still paused.', schema: schemaRef('PauseList') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Stored') })
  async resume(
    @Param('scope') given: string,
    @Query() { by = SOMEBODY }: ResumeDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const command = { kind: 'resume', commandId: randomUUID(), scope: scopeIn(given), by } as const;
    return await this.#change(command, traceparent, reply);
  }

  async #change(
    command: PauseScheduling | ResumeScheduling,
    traceparent: string | undefined,
    reply: FastifyReply,
  ): Promise<object> {
    const answer = await this.scheduler.send(command, traceparent);
    if (answer?.ok === false) throw ApiError.of(answer.failure);
    if (answer !== null) return await this.list();
    void reply.status(202);
    return { status: 'accepted' };
  }
}

const scopeIn = (given: string): PauseScope => {
  const scope = scopeOf(given);
  if (scope !== null) return scope;
  const value = shown(given);
  throw new ApiError(
    'VALIDATION_FAILED',
    `'${String(value)}' is not a scope; accepted: ${SCOPES_ACCEPTED}.`,
    [{ path: 'scope', value, message: 'is not a scope', accepted: SCOPES_ACCEPTED }],
  );
};
