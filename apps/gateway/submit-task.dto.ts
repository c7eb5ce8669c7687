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
import { Optional } from './http/validation.js';

/** Ids become subject tokens: lower-case letters, digits, `-`. */
export const ID = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
export const ID_SAYS = 'must be lower-case letters, digits and -, 1 to 64 of them';

/** A workflow of more is better submitted as one template. */
const DEPENDENCIES_MAX = 100;

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
  @ApiProperty({ description: 'Name of a template.', example: 'ollama-inference' })
  @Matches(ID, { message: ID_SAYS })
  template!: string;

  @ApiPropertyOptional({ description: "Parameters, as the template's schema wants them.", type: Object })
  @Optional()
  @IsObject({ message: 'must be an object' })
  parameters?: Record<string, unknown>;

  @ApiPropertyOptional({ description: '10 goes first.', minimum: 1, maximum: 10, default: 5 })
  @Optional()
  @IsInt({ message: 'must be a whole number from 1 to 10' })
  @Min(1, { message: 'must be a whole number from 1 to 10' })
  @Max(10, { message: 'must be a whole number from 1 to 10' })
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
}

/** Body of `PATCH /tasks/{id}/priority`. */
export class PriorityDto {
  @ApiProperty({ minimum: 1, maximum: 10 })
  @IsInt({ message: 'must be a whole number from 1 to 10' })
  @Min(1, { message: 'must be a whole number from 1 to 10' })
  @Max(10, { message: 'must be a whole number from 1 to 10' })
  priority!: number;
}
