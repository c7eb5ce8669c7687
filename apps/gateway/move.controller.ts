import { randomUUID } from 'node:crypto';
import { Body, Controller, Headers, Inject, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { TaskView } from '#libs/contracts/queries.js';
import { schemaRef } from './http/openapi-schemas.js';
import { taskIdOf } from './http/request-parts.js';
import { MoveDto, moveToOf } from './move.dto.js';
import type { Undecided } from './submitted-view.js';
import { TaskChanges } from './task-changes.js';

@ApiTags('tasks')
@Controller('api/v1/tasks/:id/move')
export class MoveController {
  constructor(@Inject(TaskChanges) private readonly changes: TaskChanges) {}

  @Post()
  @ApiOperation({
    summary: 'Move a task that waits to another place in the queue of its workspace',
    description:
      'It keeps that place until its priority is set. A task that is there already stays as it is. Shares of workspaces, deadlines that are near and the promised starts of others stand above it; a task that goes back gives up its own.',
  })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'The task.', schema: schemaRef('Task') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Undecided') })
  async move(
    @Param('id') given: string,
    @Body() body: MoveDto,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TaskView | Undecided> {
    const taskId = taskIdOf(given);
    const to = moveToOf(body);
    const { reason = 'no reason given', by = 'a client' } = body;
    const command = { kind: 'move', commandId: randomUUID(), taskId, to, reason, by } as const;
    return await this.changes.change(command, traceparent, reply, 200);
  }
}
