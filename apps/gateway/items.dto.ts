import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { ITEM_STATUSES, type ItemView } from '#libs/contracts/queries.js';
import { Optional } from './http/validation.js';
import { whole } from './list-tasks.dto.js';

/** Query of `GET /tasks/{id}/steps/{step}/items`. */
export class ItemsDto {
  @ApiPropertyOptional({ enum: ITEM_STATUSES })
  @Optional()
  @IsIn(ITEM_STATUSES, { message: `must be one of ${ITEM_STATUSES.join(', ')}` })
  status?: ItemView['status'];

  @ApiPropertyOptional({ minimum: 1, maximum: 200, default: 50 })
  @Optional()
  @Transform(whole)
  @IsInt({ message: 'must be a whole number from 1 to 200' })
  @Min(1, { message: 'must be a whole number from 1 to 200' })
  @Max(200, { message: 'must be a whole number from 1 to 200' })
  page_size?: number;

  @ApiPropertyOptional({ description: 'Cursor `next` of an earlier page.' })
  @Optional()
  @IsString({ message: 'must be the cursor of an earlier page' })
  @MaxLength(512, { message: 'must be the cursor of an earlier page' })
  after?: string;
}
