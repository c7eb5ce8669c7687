import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { ITEM_STATUSES, type ItemView } from '#libs/contracts/queries.js';
import { Cursor, HowMany } from './http/page-fields.js';
import { Optional } from './http/validation.js';

/** Query of `GET /tasks/{id}/steps/{step}/items`. */
export class ItemsDto {
  @ApiPropertyOptional({ enum: ITEM_STATUSES })
  @Optional()
  @IsIn(ITEM_STATUSES, { message: `must be one of ${ITEM_STATUSES.join(', ')}` })
  status?: ItemView['status'];

  @HowMany(200, 50)
  page_size?: number;

  @Cursor('next')
  after?: string;
}
