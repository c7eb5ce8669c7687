import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsInt,
  IsObject,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  Validate,
  ValidatorConstraint,
  type ValidatorConstraintInterface,
} from 'class-validator';
import { ON_FAILURE, type OnFailure } from '#libs/domain/task/workflow.js';
import { TEMPLATE_REF, TEMPLATE_REF_SAYS } from './template-ref.js';
import { Cursor, HowMany } from './http/page-fields.js';
import { Optional } from './http/validation.js';
import { ID, ID_SAYS, LabelsConstraint } from './submit-task.dto.js';

/** Tasks of one workflow: more than a person draws, few enough to be decided in one turn. */
export const WORKFLOW_TASKS_MAX = 1_000;

/** Edges of one workflow: twice those of a thousand tasks that are gathered in one, and a view of it still is one message. */
export const WORKFLOW_NEEDS_MAX = 5_000;

/** As step ids: expressions read `tasks.<name>.result`. */
export const TASK_NAME = /^[a-z][a-z0-9_-]{0,62}$/;
export const TASK_NAME_SAYS = 'a lower-case letter, then up to 62 lower-case letters, digits, _ and -';

/** An edge as a client writes it. */
export type NeedDto = string | { readonly task: string; readonly on_failure?: OnFailure };

@ValidatorConstraint({ name: 'needs' })
class NeedsConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return Array.isArray(value) && value.length < WORKFLOW_TASKS_MAX && value.every(isNeed);
  }

  defaultMessage(): string {
    return (
      `must be a list of names of other tasks, or of objects {task, on_failure}, fewer than ${WORKFLOW_TASKS_MAX}; ` +
      `on_failure is one of ${ON_FAILURE.join(', ')}`
    );
  }
}

const isNeed = (value: unknown): boolean => {
  if (typeof value === 'string') return TASK_NAME.test(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { task, on_failure: onFailure, ...rest } = value as Readonly<Record<string, unknown>>;
  return (
    typeof task === 'string' &&
    TASK_NAME.test(task) &&
    (onFailure === undefined || ON_FAILURE.some((known) => known === onFailure)) &&
    Object.keys(rest).length === 0
  );
};

@ValidatorConstraint({ name: 'tasks' })
class TasksConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const names = Object.keys(value);
    return (
      names.length >= 1 && names.length <= WORKFLOW_TASKS_MAX && names.every((name) => TASK_NAME.test(name))
    );
  }

  defaultMessage(): string {
    return `must be an object of 1 to ${WORKFLOW_TASKS_MAX} tasks by name; a name is ${TASK_NAME_SAYS}`;
  }
}

/** One task of a workflow, under its name. */
export class WorkflowTaskDto {
  @ApiProperty({
    description: 'Name of a template; with `@3` or `@<hash>` that version of it.',
    example: 'ollama-inference',
  })
  @Matches(TEMPLATE_REF, { message: TEMPLATE_REF_SAYS })
  template!: string;

  @ApiPropertyOptional({
    description:
      "Parameters, as the template's schema wants them. A text may have expressions, such as {{ tasks.draft.result.text }}, of tasks that this one needs, directly or through others.",
    type: Object,
  })
  @Optional()
  @IsObject({ message: 'must be an object' })
  parameters?: Record<string, unknown>;

  @ApiPropertyOptional({
    description:
      'Tasks that go first. `on_failure` says what becomes of this one when such a task fails or is cancelled: it fails too (default), it is left out (`skip`), or it runs all the same (`continue`).',
    type: 'array',
    items: {
      oneOf: [
        { type: 'string' },
        {
          type: 'object',
          required: ['task'],
          additionalProperties: false,
          properties: { task: { type: 'string' }, on_failure: { type: 'string', enum: [...ON_FAILURE] } },
        },
      ],
    },
  })
  @Optional()
  @Validate(NeedsConstraint)
  needs?: NeedDto[];

  @ApiPropertyOptional({ description: 'Default: that of the workflow.', minimum: 1, maximum: 10 })
  @Optional()
  @IsInt({ message: 'must be a whole number from 1 to 10' })
  @Min(1, { message: 'must be a whole number from 1 to 10' })
  @Max(10, { message: 'must be a whole number from 1 to 10' })
  priority?: number;

  @ApiPropertyOptional({ description: 'Labels beside those of the workflow.', type: Object })
  @Optional()
  @Validate(LabelsConstraint)
  labels?: Record<string, string>;
}

/** Body of `POST /workflows`. */
export class SubmitWorkflowDto {
  /** Levels of objects and lists: those of parameters, and the four around them. */
  static readonly depthMax = 20;

  @ApiPropertyOptional({ description: 'For people.', minLength: 1, maxLength: 200 })
  @Optional()
  @IsString({ message: 'must be text of 1 to 200 characters' })
  @Length(1, 200, { message: 'must be text of 1 to 200 characters' })
  name?: string;

  @ApiPropertyOptional({ default: 'default' })
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;

  @ApiPropertyOptional({
    description: '10 goes first; of tasks that do not say one.',
    minimum: 1,
    maximum: 10,
    default: 5,
  })
  @Optional()
  @IsInt({ message: 'must be a whole number from 1 to 10' })
  @Min(1, { message: 'must be a whole number from 1 to 10' })
  @Max(10, { message: 'must be a whole number from 1 to 10' })
  priority?: number;

  @ApiPropertyOptional({ description: 'Labels of the workflow and of each of its tasks.', type: Object })
  @Optional()
  @Validate(LabelsConstraint)
  labels?: Record<string, string>;

  @ApiProperty({
    description: 'Tasks by name.',
    type: 'object',
    additionalProperties: { $ref: '#/components/schemas/WorkflowTaskDto' },
    maxProperties: WORKFLOW_TASKS_MAX,
  })
  @Validate(TasksConstraint)
  tasks!: Record<string, unknown>;
}

/** Query of `GET /workflows`. */
export class ListWorkflowsDto {
  @ApiPropertyOptional()
  @Optional()
  @Matches(ID, { message: ID_SAYS })
  workspace?: string;

  @HowMany(50, 20)
  page_size?: number;

  @Cursor('next')
  after?: string;
}
