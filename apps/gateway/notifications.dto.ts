import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayMaxSize, IsIn, Matches } from 'class-validator';
import type { DeliveryCause } from '#libs/domain/notify/delivery.js';
import type { Delivery } from '#libs/domain/notify/delivery.js';
import { Cursor, HowMany } from './http/page-fields.js';
import { Optional } from './http/validation.js';
import { list } from './list-tasks.dto.js';

export const DELIVERY_STATUSES = [
  'pending',
  'delivered',
  'failed',
] as const satisfies readonly Delivery['status'][];
export const DELIVERY_CAUSES = ['event', 'step', 'test'] as const satisfies readonly DeliveryCause['kind'][];

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const NAME_SAYS = 'must be lower-case letters, digits and -, 1 to 64 of them';

/** Query of `GET /notifications/deliveries`. */
export class ListDeliveriesDto {
  @ApiPropertyOptional({ enum: DELIVERY_STATUSES, isArray: true })
  @Optional()
  @Transform(list)
  @ArrayMaxSize(DELIVERY_STATUSES.length, { message: 'must name each status once at most' })
  @IsIn(DELIVERY_STATUSES, { each: true, message: `must be one of ${DELIVERY_STATUSES.join(', ')}` })
  status?: Delivery['status'][];

  @ApiPropertyOptional()
  @Optional()
  @Matches(NAME, { message: NAME_SAYS })
  channel?: string;

  @ApiPropertyOptional()
  @Optional()
  @Matches(NAME, { message: NAME_SAYS })
  task_id?: string;

  @ApiPropertyOptional({ enum: DELIVERY_CAUSES })
  @Optional()
  @IsIn(DELIVERY_CAUSES, { message: `must be one of ${DELIVERY_CAUSES.join(', ')}` })
  cause?: DeliveryCause['kind'];

  @HowMany(200, 50)
  page_size?: number;

  @Cursor('next', 64)
  after?: string;
}

/** Body of `POST /notifications/test`. */
export class TestChannelDto {
  @ApiProperty({ example: 'ops' })
  @Matches(NAME, { message: NAME_SAYS })
  channel!: string;
}
