import type { Command } from 'commander';
import { several } from '../arguments.js';
import { readParameters, textOf } from '../client/parameters.js';
import { columns } from '../output.js';
import type { Session } from '../session.js';

type TemplateList = {
  readonly items: readonly {
    readonly name: string;
    readonly version: string;
    readonly description: string;
  }[];
  readonly problems: readonly { readonly file: string; readonly line: number; readonly message: string }[];
};

/** Commands about templates: list, show, validate. */
export const addTemplateCommands = (program: Command, session: () => Session): void => {
  const templates = program.command('templates').description('list, show and check templates');
  templates
    .command('list', { isDefault: true })
    .description('all templates')
    .action(async () => await list(session()));
  templates
    .command('show <name>')
    .description('one template')
    .action(async (name: string) => {
      const { api, out } = session();
      const template = await api.call<object>('GET', `/api/v1/templates/${encodeURIComponent(name)}`);
      out.show(template, () => JSON.stringify(template, null, 2).split('\n'));
    });
  templates
    .command('validate <name-or-file>')
    .description('check a template file (or stdin: -), or parameters against a template')
    .option('-p, --param <key=value>', 'parameter', several, [])
    .option('--params-file <file>', 'parameters as JSON or YAML')
    .action(
      async (target: string, options: { readonly param: readonly string[]; readonly paramsFile?: string }) =>
        await validate(target, options, session()),
    );
};

const list = async ({ api, out }: Session): Promise<void> => {
  const found = await api.call<TemplateList>('GET', '/api/v1/templates');
  for (const { file, line, message } of found.problems) out.note(`${file}:${line}: ${message}`, 'yellow');
  out.show(found, () =>
    columns(
      found.items.map(({ name, version, description }) => [out.colour('bold', name), version, description]),
    ),
  );
};

const validate = async (
  target: string,
  options: { readonly param: readonly string[]; readonly paramsFile?: string },
  { api, out }: Session,
): Promise<void> => {
  const isFile = /\.(ya?ml|json)$/.test(target) || target === '-';
  const given = options.param.length > 0 || options.paramsFile !== undefined;
  const parameters =
    given || !isFile ? { parameters: await readParameters(options.param, options.paramsFile) } : {};
  const answer = await api.call<{ readonly name: string; readonly version: string }>(
    'POST',
    '/api/v1/templates/validate',
    {
      ...(isFile ? {} : { query: { template_name: target } }),
      body: { ...parameters, ...(isFile ? { template: await textOf(target) } : {}) },
    },
  );
  out.show(answer, () => [`${answer.name} (${answer.version}) is valid`]);
};
