import { ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsIn, IsInt, Matches, Max, Min, Validate } from 'class-validator';
import { OPEN_STATUSES, type OpenStatus, type TaskChoice } from '#libs/domain/task/cancel-tasks.js';
import { Optional } from './http/validation.js';
import { ID, ID_SAYS, LabelsConstraint, PRIORITY_SAYS } from './submit-task.dto.js';
import { TEXT, TEXT_SAYS } from './http/short-text.js';

/** Their ids fit into one message. */
export const CANCELLED_MAX = 10_000;
const LIMIT_SAYS = `must be a whole number from 1 to ${CANCELLED_MAX}`;
const STATUS_SAYS = `must be a list of ${OPEN_STATUSES.join(', ')}`;

/** Query of `DELETE /tasks/{id}`. */
export class CancelTaskDto {
  @ApiPropertyOptional({
    enum: ['true', 'false'],
    description: 'Whether the steps under `finally` do not run either, or are stopped.',
  })
  @Optional()
  @IsIn(['true', 'false'], { message: 'must be true or false' })
  force?: 'true' | 'false';
}

/** Body of `POST /tasks/cancel`: what is given must all fit; one of them at least is needed. */
export class CancelTasksDto {
  @ApiPropertyOptional()
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;

  @ApiPropertyOptional()
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  template?: string;

  @ApiPropertyOptional({ description: 'All of these.', type: Object })
  @Optional()
  @Validate(LabelsConstraint)
  labels?: Record<string, string>;

  @ApiPropertyOptional({ minimum: 1, maximum: 10 })
  @Optional()
  @IsInt({ message: PRIORITY_SAYS })
  @Min(1, { message: PRIORITY_SAYS })
  @Max(10, { message: PRIORITY_SAYS })
  priority_min?: number;

  @ApiPropertyOptional({ minimum: 1, maximum: 10 })
  @Optional()
  @IsInt({ message: PRIORITY_SAYS })
  @Min(1, { message: PRIORITY_SAYS })
  @Max(10, { message: PRIORITY_SAYS })
  priority_max?: number;

  @ApiPropertyOptional({ enum: OPEN_STATUSES, isArray: true, description: 'One of these.' })
  @Optional()
  @IsIn(OPEN_STATUSES, { each: true, message: STATUS_SAYS })
  @ArrayMinSize(1, { message: STATUS_SAYS })
  @ArrayMaxSize(OPEN_STATUSES.length, { message: STATUS_SAYS })
  status?: OpenStatus[];

  @ApiPropertyOptional({ description: 'Stands in the events.', default: 'asked by a client' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  reason?: string;

  @ApiPropertyOptional({
    description: 'Tasks at most, the oldest first.',
    minimum: 1,
    maximum: CANCELLED_MAX,
    default: CANCELLED_MAX,
  })
  @Optional()
  @IsInt({ message: LIMIT_SAYS })
  @Min(1, { message: LIMIT_SAYS })
  @Max(CANCELLED_MAX, { message: LIMIT_SAYS })
  limit?: number;
}

/** The filter as the scheduler takes it. */
export const choiceOf = (dto: CancelTasksDto): TaskChoice => ({
  ...(dto.workspace === undefined ? {} : { workspace: dto.workspace }),
  ...(dto.template === undefined ? {} : { template: dto.template }),
  ...(dto.labels === undefined ? {} : { labels: dto.labels }),
  ...(dto.priority_min === undefined ? {} : { priorityMin: dto.priority_min }),
  ...(dto.priority_max === undefined ? {} : { priorityMax: dto.priority_max }),
  ...(dto.status === undefined ? {} : { statuses: dto.status }),
});
