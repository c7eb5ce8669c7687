import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { ServerView } from '#libs/contracts/lease-rpc.js';
import { schemaRef } from './http/openapi-schemas.js';
import { serverIdOf } from './http/request-parts.js';
import { PutServerDto, serverOf } from './put-server.dto.js';
import { PlatformClient } from './platform-client.js';

@ApiTags('servers')
@Controller('api/v1/servers')
export class ServersController {
  constructor(@Inject(PlatformClient) private readonly platform: PlatformClient) {}

  @Get()
  @ApiOperation({ summary: 'Inference servers: what is loaded on each, and who holds which slot' })
  @ApiResponse({ status: 200, description: 'The servers.', schema: schemaRef('ServerList') })
  async list(): Promise<object> {
    return { items: (await this.platform.servers()).map(shownServer) };
  }

  @Put(':id')
  @ApiOperation({
    summary: 'Add or change a server',
    description: 'Servers of the servers file are changed there; whoever names an id first keeps it.',
  })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'It was changed, or is so already.', schema: schemaRef('Server') })
  @ApiResponse({ status: 201, description: 'It was added.', schema: schemaRef('Server') })
  async put(
    @Param('id') id: string,
    @Body() body: PutServerDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const { server, created } = await this.platform.putServer(serverOf(serverIdOf(id), body));
    void reply.status(created ? 201 : 200);
    return shownServer(server);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Remove a server that was added by the API',
    description: 'One that works is drained first. One that is down or suspect goes as it is.',
  })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 204, description: 'It was removed.' })
  async remove(@Param('id') id: string): Promise<void> {
    await this.platform.removeServer(serverIdOf(id));
  }

  @Post(':id/drain')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Drain a server for maintenance',
    description:
      'Nothing new starts there; what runs ends, and then its models are unloaded. Its state is `draining`, then `drained`.',
  })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'The server.', schema: schemaRef('Server') })
  async drain(@Param('id') id: string): Promise<object> {
    return shownServer(await this.platform.drain(serverIdOf(id), true));
  }

  @Post(':id/resume')
  @HttpCode(200)
  @ApiOperation({ summary: 'Let a drained server take work again' })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'The server.', schema: schemaRef('Server') })
  async resume(@Param('id') id: string): Promise<object> {
    return shownServer(await this.platform.drain(serverIdOf(id), false));
  }
}

/** A server behind a proxy may be reached with a password in its address. */
const withoutCredentials = (url: string): string => url.replace(/^(\w+:\/\/)[^/@]*@/, '$1');

const shownServer = (server: ServerView): object => ({
  id: server.serverId,
  kind: server.kind,
  url: server.url === undefined ? null : withoutCredentials(server.url),
  state: server.state,
  reason: server.reason ?? null,
  drain: server.drain && { reason: server.drain.reason, since: server.drain.since },
  version: server.version ?? null,
  source: server.source ?? 'file',
  device: server.device,
  slots: server.slots,
  labels: server.labels,
  pull_missing: server.pullMissing,
  gpu: server.gpuName ?? null,
  vram_bytes: server.vramBytes,
  vram_free_bytes: server.vramFreeBytes,
  foreign: server.foreign,
  residencies: server.residencies.map((residency) => ({
    id: residency.residencyId,
    model: residency.profile.model,
    options: residency.profile.options,
    state: residency.state,
    bytes: residency.bytes,
    slots: residency.slots,
    slots_busy: residency.slotsBusy,
    since: residency.since,
  })),
  leases: server.leases.map((lease) => ({
    id: lease.leaseId,
    token: lease.token,
    task_id: lease.taskId,
    step_id: lease.stepId,
    attempt: lease.attempt,
    residency_id: lease.residencyId ?? null,
    expires_in_ms: lease.expiresInMs,
  })),
});
