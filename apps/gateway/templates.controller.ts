import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiConsumes, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { validateParameters } from '#libs/template/validate-parameters.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
import { TemplateShelf } from './template-shelf.js';
import { ValidateBodyDto, ValidateQueryDto } from './validate-template.dto.js';

/** What templates there are, and whether one, or what is meant for one, is right. */
@ApiTags('templates')
@Controller('api/v1/templates')
export class TemplatesController {
  constructor(@Inject(TemplateShelf) private readonly shelf: TemplateShelf) {}

  @Get()
  @ApiOperation({ summary: 'All templates, and what is wrong with files that cannot be used' })
  @ApiResponse({ status: 200, description: 'The templates.', schema: schemaRef('TemplateList') })
  list(): object {
    const items = this.shelf
      .list()
      .map(({ name, version, description, parameters }) => ({ name, version, description, parameters }));
    return { items, problems: this.shelf.problems() };
  }

  @Get(':name')
  @ApiOperation({ summary: 'One template with its parameters and steps' })
  @ApiParam({ name: 'name' })
  @ApiResponse({ status: 200, description: 'The template.', schema: schemaRef('Template') })
  get(@Param('name') name: string): object {
    const { parametersSchema, ...template } = this.shelf.get(name);
    return { ...template, parameters_schema: parametersSchema };
  }

  @Post('validate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Check without running',
    description:
      'Parameters against a template (`template_name`), or a template (`template` in the body), or one against the other.',
  })
  @ApiConsumes('application/json', 'application/yaml')
  @ApiResponse({ status: 200, description: 'It is right.', schema: schemaRef('Validated') })
  validate(@Query() { template_name: name }: ValidateQueryDto, @Body() body: ValidateBodyDto): object {
    if (name === undefined && body.template === undefined) {
      throw new ApiError(
        'VALIDATION_FAILED',
        'There is nothing to check; name a template in template_name, or send one as template.',
        [{ path: 'template_name', message: 'is missing', accepted: 'the name of a template' }],
      );
    }
    const template = body.template === undefined ? this.shelf.get(name ?? '') : compiled(body.template);
    const found = { valid: true, name: template.name, version: template.version };
    if (body.parameters === undefined && body.template !== undefined) return found;
    const checked = validateParameters(template, body.parameters ?? {});
    if (!checked.ok) {
      const said = checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
      throw new ApiError('PARAMETERS_INVALID', said, checked.problems);
    }
    return { ...found, parameters: checked.parameters };
  }
}

const compiled = (template: string | Record<string, unknown>): CompiledTemplate => {
  // JSON is YAML, so an object is checked by the same rules as a text.
  const text = typeof template === 'string' ? template : JSON.stringify(template, null, 2);
  const result = compileTemplate(text, 'template');
  if (result.ok) return result.template;
  const problems = result.problems.map(({ path, message, line, column }) => ({
    path: path === '' ? 'template' : path,
    message: `line ${line}, column ${column}: ${message}`,
  }));
  const said = problems.map(({ message }) => message).join('; ');
  throw new ApiError('TEMPLATE_INVALID', said, problems);
};
