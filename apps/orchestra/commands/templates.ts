import type { Command } from 'commander';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { TemplateProblem } from '#libs/template/compiled-template.js';
import { dryRun, type DryRun } from '#libs/template/dry-run.js';
import { NUM_CTX_DEFAULT } from '#libs/template/limits.js';
import type { TemplateDifference } from '#libs/template/template-diff.js';
import { optionWithEnv, several, wholeNumber } from '../arguments.js';
import { readParameters, textOf } from '../client/parameters.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { columns, type Output } from '../output.js';
import type { Session } from '../session.js';
import { lint } from '../templates/lint.js';
import {
  diffLines,
  dryRunLines,
  findingLines,
  lintSummary,
  templateLines,
  versionLines,
  type ShownTemplate,
  type ShownVersion,
} from '../templates/template-text.js';

type TemplateList = {
  readonly items: readonly {
    readonly name: string;
    readonly version: string;
    readonly description: string;
  }[];
  readonly problems: readonly TemplateProblem[];
  readonly warnings?: readonly TemplateProblem[];
};

type ParameterOptions = { readonly param: readonly string[]; readonly paramsFile?: string };

/** Commands about templates: list, show, versions, diff, render, validate, and lint, which needs no platform. */
export const addTemplateCommands = (program: Command, session: () => Session): void => {
  const templates = program
    .command('templates')
    .description('list, show, compare, check and try out templates');
  templates
    .command('list', { isDefault: true })
    .description('all templates')
    .action(async () => await list(session()));
  templates
    .command('show <name[@version]>')
    .description('one template, or a version of it')
    .action(async (name: string) => {
      const { api, out } = session();
      const template = await api.call<ShownTemplate>('GET', pathOf(name));
      out.show(template, () => templateLines(template, out));
    });
  templates
    .command('versions <name>')
    .description('the versions of a template, newest first')
    .action(async (name: string) => {
      const { api, out } = session();
      const found = await api.call<{ readonly items: readonly ShownVersion[] }>(
        'GET',
        `${pathOf(name)}/versions`,
      );
      out.show(found, () => versionLines(found.items));
    });
  templates
    .command('diff <name> <from> [to]')
    .description('what differs between two versions; without the second one: from the current one')
    .action(
      async (name: string, from: string, to: string | undefined) => await diff(name, { from, to }, session()),
    );
  withParameters(templates.command('render <name-or-file>'))
    .description('what a task of a template would be, with its parameters filled in; nothing is executed')
    .addOption(
      optionWithEnv(
        '--num-ctx <tokens>',
        'of a file: context window of steps that say none',
        'ORCHESTRA_NUM_CTX',
      )
        .argParser(wholeNumber(4, 10_000_000))
        .default(NUM_CTX_DEFAULT),
    )
    .action(async (target: string, options: ParameterOptions & { readonly numCtx: number }) => {
      const { out } = session();
      const parameters = await readParameters(options.param, options.paramsFile);
      const run = isFile(target)
        ? await renderedFile(target, parameters, options.numCtx)
        : await session().api.call<DryRun>('POST', `${pathOf(target)}/render`, { body: { parameters } });
      out.show(run, () => dryRunLines(run, out));
    });
  withParameters(templates.command('validate <name-or-file>'))
    .description('check a template file (or stdin: -), or parameters against a template, by the platform')
    .action(async (target: string, options: ParameterOptions) => await validate(target, options, session()));
  templates
    .command('lint <file-or-folder...>')
    .description(
      'check template files (or stdin: -) without a platform; a folder is read as a gateway reads it',
    )
    .option('--strict', 'warnings are errors')
    .action(
      async (targets: readonly string[], options: { readonly strict?: boolean }) =>
        await lintAll(targets, options.strict === true, session().out),
    );
};

const withParameters = (command: Command): Command =>
  command
    .option('-p, --param <key=value>', 'parameter', several, [])
    .option('--params-file <file>', 'parameters as JSON or YAML');

const pathOf = (name: string): string => `/api/v1/templates/${encodeURIComponent(name)}`;

const isFile = (target: string): boolean => /\.(ya?ml|json)$/.test(target) || target === '-';

const list = async ({ api, out }: Session): Promise<void> => {
  const found = await api.call<TemplateList>('GET', '/api/v1/templates');
  for (const { file, line, column, message } of [...found.problems, ...(found.warnings ?? [])])
    out.note(`${file}:${line}:${column}: ${message}`, 'yellow');
  out.show(found, () =>
    columns(
      found.items.map(({ name, version, description }) => [out.colour('bold', name), version, description]),
    ),
  );
};

const diff = async (
  name: string,
  query: { readonly from: string; readonly to: string | undefined },
  { api, out }: Session,
): Promise<void> => {
  const found = await api.call<{ readonly changes: readonly TemplateDifference[] }>(
    'GET',
    `${pathOf(name)}/diff`,
    { query },
  );
  out.show(found, () => diffLines(found.changes, out));
  if (found.changes.length === 0) out.note('They say the same.');
};

const validate = async (target: string, options: ParameterOptions, { api, out }: Session): Promise<void> => {
  const given = options.param.length > 0 || options.paramsFile !== undefined;
  const parameters =
    given || !isFile(target) ? { parameters: await readParameters(options.param, options.paramsFile) } : {};
  const answer = await api.call<{ readonly name: string; readonly version: string }>(
    'POST',
    '/api/v1/templates/validate',
    {
      ...(isFile(target) ? {} : { query: { template_name: target } }),
      body: { ...parameters, ...(isFile(target) ? { template: await textOf(target) } : {}) },
    },
  );
  out.show(answer, () => [`${answer.name} (${answer.version}) is valid`]);
};

/** By the functions of the gateway, which is not asked. */
const renderedFile = async (
  target: string,
  parameters: Readonly<Record<string, unknown>>,
  numCtx: number,
): Promise<DryRun> => {
  const compiled = compileTemplate(await textOf(target), target === '-' ? 'stdin' : target);
  if (!compiled.ok) {
    const lines = compiled.problems.map(
      ({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`,
    );
    throw new CommandError(EXIT.failed, lines.join('\n'));
  }
  const outcome = dryRun(compiled.template, parameters, { numCtx });
  if (outcome.ok) return outcome.run;
  throw new CommandError(EXIT.refused, outcome.failure.message);
};

const lintAll = async (targets: readonly string[], isStrict: boolean, out: Output): Promise<void> => {
  const report = await lint(targets);
  out.show(report, () => findingLines(report, out));
  if (report.errors > 0 || (isStrict && report.warnings > 0))
    throw new CommandError(EXIT.failed, lintSummary(report));
  out.note(lintSummary(report));
};
