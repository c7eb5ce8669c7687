import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiConsumes, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { childProblems } from '#libs/template/check-children.js';
import type { CompiledTemplate, TemplateProblem } from '#libs/template/compiled-template.js';
import { compileTemplate, type Compiled } from '#libs/template/compile-template.js';
import { templateDiff } from '#libs/template/template-diff.js';
import { validateParameters } from '#libs/template/validate-parameters.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
import { TemplateFinder } from './template-finder.js';
import { TemplateRendering } from './template-rendering.js';
import { TemplateShelf } from './template-shelf.js';
import { DiffQueryDto, RenderBodyDto, ValidateBodyDto, ValidateQueryDto } from './validate-template.dto.js';

/** What templates there are, and whether one, or what is meant for one, is right. */
@ApiTags('templates')
@Controller('api/v1/templates')
export class TemplatesController {
  constructor(
    @Inject(TemplateShelf) private readonly shelf: TemplateShelf,
    @Inject(TemplateFinder) private readonly templates: TemplateFinder,
    @Inject(TemplateRendering) private readonly rendering: TemplateRendering,
  ) {}

  @Get()
  @ApiOperation({ summary: 'All templates, and what is wrong with files that cannot be used' })
  @ApiResponse({ status: 200, description: 'The templates.', schema: schemaRef('TemplateList') })
  list(): object {
    const items = this.shelf
      .list()
      .map(({ name, version, description, parameters }) => ({ name, version, description, parameters }));
    return { items, problems: this.shelf.problems(), warnings: this.shelf.warnings() };
  }

  @Get(':name')
  @ApiOperation({ summary: 'One template with its parameters and steps' })
  @ApiParam({ name: 'name', description: 'Its name; with `@3` or `@<hash>` that version of it.' })
  @ApiResponse({ status: 200, description: 'The template.', schema: schemaRef('Template') })
  async get(@Param('name') name: string): Promise<object> {
    const { parametersSchema, ...template } = (await this.templates.find(name)).template;
    return { ...template, parameters_schema: parametersSchema };
  }

  @Get(':name/versions')
  @ApiOperation({
    summary: 'Its versions, newest first',
    description: 'All that the log has, also of a template whose file is gone; the last 1000 of them.',
  })
  @ApiParam({ name: 'name' })
  @ApiResponse({ status: 200, description: 'The versions.', schema: schemaRef('TemplateVersions') })
  async versions(@Param('name') name: string): Promise<object> {
    const versions = await this.templates.list(name);
    const items = versions.map(({ number, version, registeredAt, isCurrent }) => ({
      number,
      version,
      registered_at: registeredAt,
      current: isCurrent,
    }));
    return { name, items };
  }

  @Get(':name/diff')
  @ApiOperation({ summary: 'What differs between two versions' })
  @ApiParam({ name: 'name' })
  @ApiResponse({ status: 200, description: 'The differences.', schema: schemaRef('TemplateDiff') })
  async diff(@Param('name') name: string, @Query() { from, to = 'latest' }: DiffQueryDto): Promise<object> {
    const { template: before } = await this.templates.find(`${name}@${from}`);
    const { template: after } = await this.templates.find(`${name}@${to}`);
    return { name, from: before.version, to: after.version, changes: templateDiff(before, after) };
  }

  @Post(':name/render')
  @HttpCode(200)
  @ApiOperation({
    summary: 'What a task of it would be, without running anything',
    description: 'The graph of its steps, with all that follows from the parameters filled in.',
  })
  @ApiParam({ name: 'name', description: 'Its name; with `@3` or `@<hash>` that version of it.' })
  @ApiResponse({ status: 200, description: 'The dry run.', schema: schemaRef('DryRun') })
  async render(@Param('name') name: string, @Body() { parameters }: RenderBodyDto): Promise<object> {
    return await this.rendering.render(name, parameters ?? {});
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
  async validate(
    @Query() { template_name: name }: ValidateQueryDto,
    @Body() body: ValidateBodyDto,
  ): Promise<object> {
    if (name === undefined && body.template === undefined) {
      throw new ApiError(
        'VALIDATION_FAILED',
        'There is nothing to check; name a template in template_name, or send one as template.',
        [{ path: 'template_name', message: 'is missing', accepted: 'the name of a template' }],
      );
    }
    const { template, warnings } =
      body.template === undefined
        ? { ...(await this.templates.find(name ?? '')), warnings: [] }
        : compiled(body.template, this.shelf.list());
    const found = { valid: true, name: template.name, version: template.version, warnings };
    if (body.parameters === undefined && body.template !== undefined) return found;
    const checked = validateParameters(template, body.parameters ?? {});
    if (!checked.ok) {
      const said = checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
      throw new ApiError('PARAMETERS_INVALID', said, checked.problems);
    }
    return { ...found, parameters: checked.parameters };
  }
}

const compiled = (
  template: string | Record<string, unknown>,
  others: readonly CompiledTemplate[],
): Extract<Compiled, { readonly ok: true }> => {
  // JSON is YAML, so an object is checked by the same rules as a text.
  const text = typeof template === 'string' ? template : JSON.stringify(template, null, 2);
  const result = compileTemplate(text, 'template');
  const found = result.ok ? beside(result.template, text, others) : result.problems;
  if (result.ok && found.length === 0) return result;
  const problems = found.map(({ path, message, line, column }) => ({
    path: path === '' ? 'template' : path,
    message: `line ${line}, column ${column}: ${message}`,
  }));
  const said = problems.map(({ message }) => message).join('; ');
  throw new ApiError('TEMPLATE_INVALID', said, problems);
};

/** What is wrong with it among the templates that there are. */
const beside = (
  template: CompiledTemplate,
  text: string,
  others: readonly CompiledTemplate[],
): readonly TemplateProblem[] => {
  const file = 'template';
  return childProblems([{ template, text, file }], others).get(file) ?? [];
};
