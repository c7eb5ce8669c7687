import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { ItemPage } from '#libs/contracts/queries.js';
import { schemaRef } from './http/openapi-schemas.js';
import { stepIdOf, taskIdOf } from './http/request-parts.js';
import { ItemsDto } from './items.dto.js';
import { ResultsClient } from './results-client.js';

const PAGE_SIZE_DEFAULT = 50;

@ApiTags('tasks')
@Controller('api/v1/tasks/:id/steps/:step/items')
export class ItemsController {
  constructor(@Inject(ResultsClient) private readonly results: ResultsClient) {}

  @Get()
  @ApiOperation({
    summary: 'The items of a step with `foreach`, in the order of the list',
    description: 'Those that were begun; `counts` says how many there are.',
  })
  @ApiParam({ name: 'id' })
  @ApiParam({ name: 'step' })
  @ApiResponse({ status: 200, description: 'A page of them.', schema: schemaRef('ItemPage') })
  async items(
    @Param('id') id: string,
    @Param('step') step: string,
    @Query() { status, page_size: size, after }: ItemsDto,
  ): Promise<ItemPage> {
    return await this.results.ask<ItemPage>({
      kind: 'items',
      taskId: taskIdOf(id),
      stepId: stepIdOf(step),
      ...(status === undefined ? {} : { status }),
      page: { size: size ?? PAGE_SIZE_DEFAULT, ...(after === undefined ? {} : { after }) },
    });
  }
}
