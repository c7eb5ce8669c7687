import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { QueueReply } from '#libs/contracts/explain.js';
import { asApiData } from './api-data.js';
import { predictionsView } from './explanation-view.js';
import { waitText } from './explanation-text.js';
import { schemaRef } from './http/openapi-schemas.js';
import { QueueDto } from './list-tasks.dto.js';
import { PlatformClient } from './platform-client.js';

const LIMIT_DEFAULT = 50;

@ApiTags('queue')
@Controller('api/v1/queue')
export class QueueController {
  constructor(@Inject(PlatformClient) private readonly platform: PlatformClient) {}

  @Get()
  @ApiOperation({
    summary: 'What is ready to run: by model, what that waits for, and in which order it goes',
  })
  @ApiResponse({ status: 200, description: 'As the scheduler sees it now.', schema: schemaRef('Queue') })
  async show(@Query() { limit = LIMIT_DEFAULT }: QueueDto): Promise<object> {
    return queueShown(await this.platform.queue(limit));
  }
}

const queueShown = ({ atMs, seq, open, ready, groups, next, predictions, paused }: QueueReply): object => ({
  as_of: new Date(atMs).toISOString(),
  as_of_seq: seq,
  open_tasks: open,
  ready_steps: ready,
  predictions: predictionsView(predictions),
  paused,
  groups: groups.map(({ model, size, first, wait }) => ({
    model,
    ready_steps: size,
    first: asApiData(first),
    text: waitText(wait, model),
    waits_for: asApiData(wait),
  })),
  next: next.map(asApiData),
});
