import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  IsObject,
  Matches,
  Validate,
  ValidatorConstraint,
  type ValidatorConstraintInterface,
} from 'class-validator';
import { TEMPLATE_LIMITS } from '#libs/template/limits.js';
import { Optional } from './http/validation.js';
import { TEMPLATE_REF, TEMPLATE_REF_SAYS, VERSION_SELECTOR, VERSION_SELECTOR_SAYS } from './template-ref.js';

@ValidatorConstraint({ name: 'template' })
class TemplateTextConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    if (typeof value === 'string') return value.length <= TEMPLATE_LIMITS.fileBytes;
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  }

  defaultMessage(): string {
    return `must be the text of a template (YAML, at most ${TEMPLATE_LIMITS.fileBytes} characters) or the same as an object`;
  }
}

/** Query of `POST /templates/validate`. */
export class ValidateQueryDto {
  @ApiPropertyOptional({ description: 'Check `parameters` against this template.' })
  @Optional()
  @Matches(TEMPLATE_REF, { message: TEMPLATE_REF_SAYS })
  template_name?: string;
}

/** Body of `POST /templates/{name}/render`. */
export class RenderBodyDto {
  @ApiPropertyOptional({ description: 'Parameters, as for a submission.', type: Object })
  @Optional()
  @IsObject({ message: 'must be an object' })
  parameters?: Record<string, unknown>;
}

/** Query of `GET /templates/{name}/diff`. */
export class DiffQueryDto {
  @ApiProperty({ description: 'A version: its number or its hash.', example: '1' })
  @Matches(VERSION_SELECTOR, { message: VERSION_SELECTOR_SAYS })
  from!: string;

  @ApiPropertyOptional({ description: 'Another one.', default: 'latest' })
  @Optional()
  @Matches(VERSION_SELECTOR, { message: VERSION_SELECTOR_SAYS })
  to?: string;
}

/** Body of `POST /templates/validate`. */
export class ValidateBodyDto {
  @ApiPropertyOptional({ description: 'Parameters to check.', type: Object })
  @Optional()
  @IsObject({ message: 'must be an object' })
  parameters?: Record<string, unknown>;

  @ApiPropertyOptional({
    description:
      'A template to check: its text, or the same as an object. A body of type application/yaml is one too.',
    oneOf: [{ type: 'string' }, { type: 'object' }],
  })
  @Optional()
  @Validate(TemplateTextConstraint)
  template?: string | Record<string, unknown>;
}
