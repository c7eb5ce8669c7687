import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsObject, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { validateParameters } from '#libs/template/validate-parameters.js';
import { ApiError } from './http/problem.js';
import { TemplateShelf } from './template-shelf.js';

/** The size a template file may have. */
const TEXT_MAX = 256 * 1024;

class ValidateQueryDto {
  static readonly fields = ['template_name'];

  @ApiPropertyOptional({ description: 'Check `parameters` against this template.' })
  @IsOptional()
  @Matches(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, { message: 'must be the name of a template' })
  template_name?: string;
}

class ValidateBodyDto {
  static readonly fields = ['parameters', 'template'];

  @ApiPropertyOptional({ description: 'Parameters for the template in `template_name`.', type: Object })
  @IsOptional()
  @IsObject({ message: 'must be an object' })
  parameters?: Record<string, unknown>;

  @ApiPropertyOptional({ description: 'Text of a template (YAML) to check.' })
  @IsOptional()
  @IsString({ message: 'must be the text of a template' })
  @MaxLength(TEXT_MAX, { message: `must have at most ${TEXT_MAX} characters` })
  template?: string;
}

@ApiTags('templates')
@Controller('api/v1/templates')
export class TemplatesController {
  constructor(@Inject(TemplateShelf) private readonly shelf: TemplateShelf) {}

  @Get()
  @ApiOperation({ summary: 'All templates, and what is wrong with files that cannot be used' })
  list(): object {
    const items = this.shelf
      .list()
      .map(({ name, version, description, parameters }) => ({ name, version, description, parameters }));
    return { items, problems: this.shelf.problems() };
  }

  @Get(':name')
  @ApiOperation({ summary: 'One template with its parameters and steps' })
  get(@Param('name') name: string): object {
    const { parametersSchema, ...template } = this.shelf.get(name);
    return { ...template, parameters_schema: parametersSchema };
  }

  @Post('validate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Check without running',
    description:
      'Parameters against a template (`template_name`), or the text of a template (`template` in the body), or one against the other.',
  })
  @ApiBody({ type: ValidateBodyDto })
  validate(@Query() { template_name: name }: ValidateQueryDto, @Body() body: ValidateBodyDto): object {
    if (name === undefined && body.template === undefined) {
      throw new ApiError(
        'VALIDATION_FAILED',
        'There is nothing to check; name a template in template_name, or send the text of one as template.',
        [{ path: 'template_name', message: 'is missing', accepted: 'the name of a template' }],
      );
    }
    const template = body.template === undefined ? this.shelf.get(name ?? '') : compiled(body.template);
    if (body.parameters === undefined && body.template !== undefined)
      return { valid: true, name: template.name, version: template.version };
    const checked = validateParameters(template, body.parameters ?? {});
    if (!checked.ok) {
      const said = checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
      throw new ApiError('PARAMETERS_INVALID', said, checked.problems);
    }
    return { valid: true, name: template.name, version: template.version, parameters: checked.parameters };
  }
}

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 'template');
  if (result.ok) return result.template;
  const problems = result.problems.map(({ path, message, line, column }) => ({
    path: path === '' ? 'template' : path,
    message: `line ${line}, column ${column}: ${message}`,
  }));
  throw new ApiError(
    'TEMPLATE_INVALID',
    problems.map(({ path, message }) => `${path}: ${message}`).join('; '),
    problems,
  );
};
