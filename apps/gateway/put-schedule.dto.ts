import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsIn,
  IsInt,
  IsObject,
  Matches,
  Max,
  Min,
  Validate,
  ValidatorConstraint,
  type ValidationArguments,
  type ValidatorConstraintInterface,
} from 'class-validator';
import { cronProblem } from '#libs/cron/cron-times.js';
import { isTimeZone } from '#libs/cron/zone-offset.js';
import { CATCH_UPS, OVERLAPS, type CatchUp, type Overlap } from '#libs/domain/schedule/schedule.js';
import { DurationConstraint } from './http/duration.js';
import { PointInTimeConstraint } from './http/point-in-time.js';
import { TEXT, TEXT_SAYS } from './http/short-text.js';
import { TEMPLATE_REF, TEMPLATE_REF_SAYS } from './template-ref.js';
import { HowMany } from './http/page-fields.js';
import { Optional } from './http/validation.js';
import { ID, ID_SAYS, LabelsConstraint, PRIORITY_SAYS } from './submit-task.dto.js';

const FIRINGS_MAX = 1_000_000_000;
const FIRINGS_SAYS = `must be a whole number from 1 to ${FIRINGS_MAX}`;
const SPAN_SAYS = 'must be a whole number of milliseconds from 1 to 31622400000';
const SPAN_MAX_MS = 31_622_400_000;
const LONGEST = '366d';

export const TEMPLATE_VERSIONS = ['latest', 'pinned'] as const;

@ValidatorConstraint({ name: 'cron' })
class CronConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return typeof value === 'string' && cronProblem(value) === null;
  }

  defaultMessage({ value }: ValidationArguments): string {
    const why = typeof value === 'string' ? ` (${cronProblem(value) ?? ''})` : '';
    return `must be a cron expression of five fields, or six with seconds first, such as 0 9 * * 1-5${why}`;
  }
}

@ValidatorConstraint({ name: 'timeZone' })
class TimeZoneConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return typeof value === 'string' && isTimeZone(value);
  }

  defaultMessage(): string {
    return 'must be a time zone of the IANA database, such as Europe/Berlin or UTC';
  }
}

/** Body of `PUT /schedules/{id}`. */
export class PutScheduleDto {
  @ApiProperty({
    description: 'Name of a template; with `@3` or `@<hash>` that version of it.',
    example: 'ollama-inference',
  })
  @Matches(TEMPLATE_REF, { message: TEMPLATE_REF_SAYS })
  template!: string;

  @ApiPropertyOptional({
    enum: TEMPLATE_VERSIONS,
    default: 'latest',
    description:
      '`latest`: each firing takes the version of that moment. `pinned`: always that of this request.',
  })
  @Optional()
  @IsIn(TEMPLATE_VERSIONS, { message: `must be one of ${TEMPLATE_VERSIONS.join(', ')}` })
  template_version?: (typeof TEMPLATE_VERSIONS)[number];

  @ApiPropertyOptional({
    description: "Parameters, as the template's schema wants them; at most 64 KiB.",
    type: Object,
  })
  @Optional()
  @IsObject({ message: 'must be an object' })
  parameters?: Record<string, unknown>;

  @ApiPropertyOptional({ description: '10 goes first.', minimum: 1, maximum: 10, default: 5 })
  @Optional()
  @IsInt({ message: PRIORITY_SAYS })
  @Min(1, { message: PRIORITY_SAYS })
  @Max(10, { message: PRIORITY_SAYS })
  priority?: number;

  @ApiPropertyOptional({
    description: 'Labels of its tasks, which also get `schedule` with the id of the schedule.',
    type: Object,
  })
  @Optional()
  @Validate(LabelsConstraint)
  labels?: Record<string, string>;

  @ApiPropertyOptional({ default: 'default' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;

  @ApiPropertyOptional({ minimum: 1, maximum: SPAN_MAX_MS, description: 'As of a task.' })
  @Optional()
  @IsInt({ message: SPAN_SAYS })
  @Min(1, { message: SPAN_SAYS })
  @Max(SPAN_MAX_MS, { message: SPAN_SAYS })
  queue_ttl_ms?: number;

  @ApiPropertyOptional({
    minimum: 1,
    maximum: SPAN_MAX_MS,
    description: 'Each task should be done so long after its due time.',
  })
  @Optional()
  @IsInt({ message: SPAN_SAYS })
  @Min(1, { message: SPAN_SAYS })
  @Max(SPAN_MAX_MS, { message: SPAN_SAYS })
  deadline_ms?: number;

  @ApiPropertyOptional({
    description:
      'Five fields, or six with seconds first. A time of the clock that is skipped in spring is due at the first moment behind it, one that comes twice in autumn the first time; with `*` for the hours it goes on as time passes.',
    example: '30 2 * * *',
  })
  @Optional()
  @Validate(CronConstraint)
  cron?: string;

  @ApiPropertyOptional({ description: 'Of `cron`.', default: 'UTC', example: 'Europe/Berlin' })
  @Optional()
  @Validate(TimeZoneConstraint)
  time_zone?: string;

  @ApiPropertyOptional({
    description: 'Due so often, counted from `start_at` or else from the creation.',
    example: '15m',
  })
  @Optional()
  @Validate(DurationConstraint, ['1s', LONGEST])
  every?: string;

  @ApiPropertyOptional({ description: 'Due once, then. RFC 3339.', format: 'date-time' })
  @Optional()
  @Validate(PointInTimeConstraint)
  at?: string;

  @ApiPropertyOptional({
    enum: OVERLAPS,
    default: 'skip',
    description:
      'While a task of an earlier due time is open: `skip` this one, let up to 100 of them wait for its end (`queue`), or cancel that task (`cancel_old`).',
  })
  @Optional()
  @IsIn(OVERLAPS, { message: `must be one of ${OVERLAPS.join(', ')}` })
  overlap?: Overlap;

  @ApiPropertyOptional({
    enum: CATCH_UPS,
    default: 'last',
    description:
      'For due times that nobody could decide within a minute (and the jitter), as after a downtime: `none` of them, the `last` one, or `all`, up to the newest 100.',
  })
  @Optional()
  @IsIn(CATCH_UPS, { message: `must be one of ${CATCH_UPS.join(', ')}` })
  catch_up?: CatchUp;

  @ApiPropertyOptional({
    default: '0s',
    description:
      'Each firing is put off by up to this much, always by the same for the same due time; at most 1h.',
    example: '30s',
  })
  @Optional()
  @Validate(DurationConstraint, ['0s', '1h'])
  jitter?: string;

  @ApiPropertyOptional({ description: 'Due times before do not count. RFC 3339.', format: 'date-time' })
  @Optional()
  @Validate(PointInTimeConstraint)
  start_at?: string;

  @ApiPropertyOptional({ description: 'Due times after do not count. RFC 3339.', format: 'date-time' })
  @Optional()
  @Validate(PointInTimeConstraint)
  end_at?: string;

  @ApiPropertyOptional({
    minimum: 1,
    maximum: FIRINGS_MAX,
    description: 'Firings in all; those by hand do not count.',
  })
  @Optional()
  @IsInt({ message: FIRINGS_SAYS })
  @Min(1, { message: FIRINGS_SAYS })
  @Max(FIRINGS_MAX, { message: FIRINGS_SAYS })
  max_firings?: number;
}

/** Body of `POST /schedules/{id}/pause`. */
export class PauseScheduleDto {
  @ApiPropertyOptional({ description: 'Why; stands in the log.', default: 'no reason given' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  reason?: string;

  @ApiPropertyOptional({ description: 'Who.', default: 'a client' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  by?: string;
}

/** Body of `POST /schedules/{id}/resume`. */
export class ResumeScheduleDto {
  @ApiPropertyOptional({ description: 'Who.', default: 'a client' })
  @Optional()
  @Matches(TEXT, { message: TEXT_SAYS })
  by?: string;
}

/** Query of `GET /schedules`. */
export class ListSchedulesDto {
  @ApiPropertyOptional({ description: 'Those of one workspace.' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;

  @ApiPropertyOptional({ description: '`next` of the page before.' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  after?: string;

  @HowMany(100, 50)
  page_size?: number;
}

/** Query of `GET /schedules/{id}/next`. */
export class NextTimesDto {
  @HowMany(100, 10)
  count?: number;
}
