import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
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
  @ApiResponse({ status: 200, description: 'It does.', schema: schemaRef('Live') })
  live(): object {
    return { status: 'live' };
  }

  @Get('health/ready')
  @ApiOperation({ summary: 'All services are there and get on; 503 with the reasons where not' })
  @ApiResponse({ status: 200, description: 'All are ready.', schema: schemaRef('Ready') })
  async ready(): Promise<PlatformHealth> {
    const { ready, services } = await this.platform.health();
    if (ready) return { ready, services };
    const reasons = Object.entries(services).flatMap(([service, report]) =>
      report.reasons.map((reason) => ({ path: service, message: reason })),
    );
    const said = reasons.map(({ path, message }) => `${path}: ${message}`).join('; ');
    throw new ApiError('NOT_READY', said, reasons, { services }, { 'retry-after': '1' });
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiOperation({ summary: 'Figures for Prometheus' })
  @ApiResponse({ status: 200, description: 'The figures.', content: { 'text/plain': {} } })
  async metrics(): Promise<string> {
    return await this.metricsOf.text();
  }
}
