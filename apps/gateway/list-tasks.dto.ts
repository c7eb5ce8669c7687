import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayMaxSize, IsIn, IsInt, Matches, Min } from 'class-validator';
import { Cursor, HowMany, whole } from './http/page-fields.js';
import { Optional } from './http/validation.js';
import { TASK_STATUSES, type TaskFilter, type TaskStatus } from '#libs/contracts/queries.js';

export const list = ({ value }: { value: unknown }): unknown =>
  value === undefined ? value : Array.isArray(value) ? value : [value];

const TIME = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?Z$/;
const TIME_SAYS = 'must be a time in UTC such as 2026-01-31T12:00:00Z';
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const NAME_SAYS = 'must be lower-case letters, digits and -, 1 to 64 of them';
const LABEL = /^[A-Za-z0-9_.-]{1,64}:[^\n\r]{0,256}$/;

/** What narrows a list of tasks. */
export class TaskFilterDto {
  @ApiPropertyOptional({ enum: TASK_STATUSES, isArray: true })
  @Optional()
  @Transform(list)
  @ArrayMaxSize(TASK_STATUSES.length, { message: `must name each status once at most` })
  @IsIn(TASK_STATUSES, { each: true, message: `must be one of ${TASK_STATUSES.join(', ')}` })
  status?: TaskStatus[];

  @ApiPropertyOptional()
  @Optional()
  @Matches(NAME, { message: NAME_SAYS })
  template?: string;

  @ApiPropertyOptional({ description: 'Tasks of this workflow.' })
  @Optional()
  @Matches(NAME, { message: NAME_SAYS })
  workflow_id?: string;

  @ApiPropertyOptional({ description: 'Tasks that steps of this task submitted.' })
  @Optional()
  @Matches(NAME, { message: NAME_SAYS })
  parent?: string;

  @ApiPropertyOptional({ isArray: true, type: String, description: '`name:value`; all must match.' })
  @Optional()
  @Transform(list)
  @ArrayMaxSize(16, { message: 'must have at most 16 entries' })
  @Matches(LABEL, { each: true, message: 'must be name:value' })
  label?: string[];

  @ApiPropertyOptional({ description: 'Inclusive.' })
  @Optional()
  @Matches(TIME, { message: TIME_SAYS })
  created_from?: string;

  @ApiPropertyOptional({ description: 'Exclusive.' })
  @Optional()
  @Matches(TIME, { message: TIME_SAYS })
  created_to?: string;

  @ApiPropertyOptional()
  @Optional()
  @Matches(NAME, { message: NAME_SAYS })
  workspace?: string;
}

/** Query of `GET /tasks`. */
export class ListTasksDto extends TaskFilterDto {
  @HowMany(200, 50)
  page_size?: number;

  @Cursor('next')
  after?: string;

  @Cursor('previous')
  before?: string;
}

/** Query of `GET /tasks/{id}/events`. */
export class EventsDto {
  @ApiPropertyOptional({ minimum: 0, default: 0, description: 'Events behind this sequence.' })
  @Optional()
  @Transform(whole)
  @IsInt({ message: 'must be a whole number, 0 or more' })
  @Min(0, { message: 'must be a whole number, 0 or more' })
  after_seq?: number;

  @HowMany(1000, 200)
  limit?: number;
}

/** Query of `GET /queue`. */
export class QueueDto {
  @HowMany(1000, 50, 'Steps that are listed at most.')
  limit?: number;
}

/** The query as the read model takes it. */
export const filterOf = (dto: TaskFilterDto): TaskFilter => ({
  ...(dto.workspace === undefined ? {} : { workspace: dto.workspace }),
  ...(dto.status === undefined ? {} : { statuses: dto.status }),
  ...(dto.template === undefined ? {} : { template: dto.template }),
  ...(dto.workflow_id === undefined ? {} : { workflowId: dto.workflow_id }),
  ...(dto.parent === undefined ? {} : { parent: dto.parent }),
  ...(dto.label === undefined ? {} : { labels: Object.fromEntries(dto.label.map(splitLabel)) }),
  ...(dto.created_from === undefined ? {} : { createdFrom: inMilliseconds(dto.created_from) }),
  ...(dto.created_to === undefined ? {} : { createdTo: inMilliseconds(dto.created_to) }),
});

const splitLabel = (label: string): [string, string] => {
  const colon = label.indexOf(':');
  return [label.slice(0, colon), label.slice(colon + 1)];
};

/** Stored times have milliseconds and are compared as text. */
const inMilliseconds = (time: string): string => {
  const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(3, '0')}Z`;
};
