import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { deliveryView, summaryView } from './delivery-view.js';
import { schemaRef } from './http/openapi-schemas.js';
import { deliveryIdOf } from './http/request-parts.js';
import { NotificationsClient } from './notifications-client.js';
import { ListDeliveriesDto, TestChannelDto } from './notifications.dto.js';

const PAGE_SIZE_DEFAULT = 50;
const ID = { name: 'id', example: 'msg-0f3c9a1be2d47c58a6b0d1e2f3a4b5c6' };

/** Messages to people and programs, and what has become of them. */
@ApiTags('notifications')
@Controller('api/v1/notifications')
export class NotificationsController {
  constructor(@Inject(NotificationsClient) private readonly notifications: NotificationsClient) {}

  @Get('channels')
  @ApiOperation({ summary: 'The channels of the notifications file, and what is wrong with it; no secrets' })
  @ApiResponse({ status: 200, description: 'All of them.', schema: schemaRef('ChannelList') })
  async channels(): Promise<object> {
    return await this.notifications.channels();
  }

  @Get('deliveries')
  @ApiOperation({ summary: 'List notifications, newest first, with how they were delivered' })
  @ApiResponse({ status: 200, description: 'A page of them.', schema: schemaRef('DeliveryPage') })
  async list(@Query() query: ListDeliveriesDto): Promise<object> {
    const { status, channel, task_id: taskId, cause, page_size: limit = PAGE_SIZE_DEFAULT, after } = query;
    const { items, next } = await this.notifications.deliveries({
      limit,
      ...(status === undefined ? {} : { status }),
      ...(channel === undefined ? {} : { channel }),
      ...(taskId === undefined ? {} : { taskId }),
      ...(cause === undefined ? {} : { cause }),
      ...(after === undefined ? {} : { after }),
    });
    return { items: items.map(summaryView), next };
  }

  @Get('deliveries/:id')
  @ApiOperation({ summary: 'One notification, with its text and its latest tries' })
  @ApiParam(ID)
  @ApiResponse({ status: 200, description: 'The notification.', schema: schemaRef('Delivery') })
  async get(@Param('id') id: string): Promise<object> {
    return deliveryView(await this.notifications.delivery(deliveryIdOf(id)));
  }

  @Post('deliveries/:id/resend')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Send a notification once more',
    description:
      'Whether it has arrived or was given up, behind what waits for its task; one that waits for its next try is tried at once. The message and its id stay the same.',
  })
  @ApiParam(ID)
  @ApiResponse({ status: 200, description: 'It is on its way.', schema: schemaRef('Delivery') })
  async resend(@Param('id') id: string): Promise<object> {
    return deliveryView(await this.notifications.resend(deliveryIdOf(id)));
  }

  @Post('test')
  @HttpCode(201)
  @ApiOperation({ summary: 'Send a message that tells of nothing to a channel, to see whether it arrives' })
  @ApiResponse({ status: 201, description: 'It is on its way.', schema: schemaRef('Delivery') })
  async test(@Body() { channel }: TestChannelDto): Promise<object> {
    return deliveryView(await this.notifications.test(channel));
  }
}
