import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { schemaRef } from './http/openapi-schemas.js';
import { PluginShelf } from './plugin-shelf.js';

@ApiTags('plugins')
@Controller('api/v1/plugins')
export class PluginsController {
  constructor(@Inject(PluginShelf) private readonly plugins: PluginShelf) {}

  @Get()
  @ApiOperation({ summary: 'Step types of your own, and the workers that serve them now' })
  @ApiResponse({ status: 200, description: 'The step types.', schema: schemaRef('PluginList') })
  list(): object {
    return { items: this.plugins.list() };
  }
}
