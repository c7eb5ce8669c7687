import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsInt,
  IsObject,
  Matches,
  Max,
  Min,
  Validate,
  ValidatorConstraint,
  type ValidatorConstraintInterface,
} from 'class-validator';
import { AHEAD_MAX_MS, PointInTimeConstraint } from './http/point-in-time.js';
import { TEMPLATE_REF, TEMPLATE_REF_SAYS } from './template-ref.js';
import { Optional } from './http/validation.js';

/** Ids become subject tokens: lower-case letters, digits, `-`. */
export const ID = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
export const ID_SAYS = 'must be lower-case letters, digits and -, 1 to 64 of them';

export const PRIORITY_SAYS = 'must be a whole number from 1 to 10';

/** A workflow of more is better submitted as one template. */
const DEPENDENCIES_MAX = 100;

const TTL_SAYS = `must be a whole number of milliseconds from 1 to ${AHEAD_MAX_MS}`;

const LABELS_MAX = 32;
const LABEL_NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const LABEL_VALUE_MAX = 256;

@ValidatorConstraint({ name: 'labels' })
export class LabelsConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const entries = Object.entries(value);
    return (
      entries.length <= LABELS_MAX &&
      entries.every(
        ([name, text]) => LABEL_NAME.test(name) && typeof text === 'string' && text.length <= LABEL_VALUE_MAX,
      )
    );
  }

  defaultMessage(): string {
    return (
      `must be an object of at most ${LABELS_MAX} labels with names of letters, digits, _ . - (at most 64) ` +
      `and text values (at most ${LABEL_VALUE_MAX} characters)`
    );
  }
}

@ValidatorConstraint({ name: 'dependencies' })
class DependenciesConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    if (!Array.isArray(value) || value.length > DEPENDENCIES_MAX) return false;
    return value.every((id) => typeof id === 'string' && ID.test(id)) && new Set(value).size === value.length;
  }

  defaultMessage(): string {
    return `must be a list of at most ${DEPENDENCIES_MAX} task ids, each once; an id ${ID_SAYS}`;
  }
}

/** Body of `POST /tasks`. */
export class SubmitTaskDto {
  @ApiProperty({
    description: 'Name of a template; with `@3` or `@<hash>` that version of it.',
    example: 'ollama-inference',
  })
  @Matches(TEMPLATE_REF, { message: TEMPLATE_REF_SAYS })
  template!: string;

  @ApiPropertyOptional({ description: "Parameters, as the template's schema wants them.", type: Object })
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
    description: 'Tasks that must complete first.',
    type: [String],
    maxItems: DEPENDENCIES_MAX,
  })
  @Optional()
  @Validate(DependenciesConstraint)
  depends_on?: string[];

  @ApiPropertyOptional({ description: 'Free labels to find the task by.', type: Object })
  @Optional()
  @Validate(LabelsConstraint)
  labels?: Record<string, string>;

  @ApiPropertyOptional({ default: 'default' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;

  @ApiPropertyOptional({
    description: 'Nothing of the task starts before; within a year. RFC 3339.',
    format: 'date-time',
  })
  @Optional()
  @Validate(PointInTimeConstraint)
  run_at?: string;

  @ApiPropertyOptional({
    description:
      'When it should be done; a task that is late goes on. After `run_at`, within a year. RFC 3339.',
    format: 'date-time',
  })
  @Optional()
  @Validate(PointInTimeConstraint)
  deadline_at?: string;

  @ApiPropertyOptional({
    description:
      'The task fails with QUEUE_TTL_EXPIRED when no step of it has started this long after its submission, or after `run_at`; ' +
      'what it waits for makes no difference.',
    minimum: 1,
    maximum: AHEAD_MAX_MS,
  })
  @Optional()
  @IsInt({ message: TTL_SAYS })
  @Min(1, { message: TTL_SAYS })
  @Max(AHEAD_MAX_MS, { message: TTL_SAYS })
  queue_ttl_ms?: number;
}

/** Body of `PATCH /tasks/{id}/priority`. */
export class PriorityDto {
  @ApiProperty({ minimum: 1, maximum: 10 })
  @IsInt({ message: PRIORITY_SAYS })
  @Min(1, { message: PRIORITY_SAYS })
  @Max(10, { message: PRIORITY_SAYS })
  priority!: number;
}
