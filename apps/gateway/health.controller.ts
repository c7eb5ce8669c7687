import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Metrics } from './metrics.js';
import { PlatformClient, type PlatformHealth } from './platform-client.js';

@ApiTags('operations')
@Controller()
export class HealthController {
  constructor(
    @Inject(PlatformClient) private readonly platform: PlatformClient,
    @Inject(Metrics) private readonly metricsOf: Metrics,
  ) {}

  @Get('health/live')
  @ApiOperation({ summary: 'This process answers' })
  live(): object {
    return { status: 'live' };
  }

  @Get('health/ready')
  @ApiOperation({ summary: 'All services are there and get on; 503 with the reasons where not' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<PlatformHealth> {
    const health = await this.platform.health();
    void reply.status(health.ready ? 200 : 503);
    return health;
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiOperation({ summary: 'Figures for Prometheus' })
  async metrics(): Promise<string> {
    return await this.metricsOf.text();
  }
}
