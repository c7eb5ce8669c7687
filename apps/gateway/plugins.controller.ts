import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { schemaRef } from './http/openapi-schemas.js';
import { PluginShelf } from './plugin-shelf.js';

@ApiTags('plugins')
@Controller('api/v1/plugins')
export class PluginsController {
  constructor(@Inject(PluginShelf) private readonly plugins: PluginShelf) {}

  @Get()
  @ApiOperation({
    summary: 'Step types of your own, the workers that serve them now, and what cannot be used',
  })
  @ApiResponse({
    status: 200,
    description:
      'The step types. In the first seconds of the service, the answer comes when all workers have been heard.',
    schema: schemaRef('PluginList'),
  })
  async list(): Promise<object> {
    return { items: await this.plugins.list(), problems: await this.plugins.problems() };
  }
}
