import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { readParameters } from '../client/parameters.js';
import { columns } from '../output.js';
import type { Session } from '../session.js';

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

type Template = { readonly name: string; readonly version: string; readonly description: string };
type Server = {
  readonly id: string;
  readonly state: string;
  readonly device: string;
  readonly vram_bytes: number;
  readonly vram_free_bytes: number;
  readonly slots: number;
  readonly residencies: readonly {
    readonly model: string;
    readonly state: string;
    readonly bytes: number;
    readonly slots: number;
    readonly slots_busy: number;
  }[];
  readonly leases: readonly unknown[];
};
type Health = {
  readonly ready: boolean;
  readonly services: Readonly<
    Record<string, { readonly ready: boolean; readonly reasons: readonly string[] }>
  >;
};

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Commands about the platform itself: templates, servers, status. */
export const addPlatformCommands = (program: Command, session: () => Session): void => {
  const templates = program.command('templates').description('list, show and check templates');
  templates
    .command('list', { isDefault: true })
    .description('all templates')
    .action(async () => {
      const { api, out } = session();
      const found = await api.call<{
        readonly items: readonly Template[];
        readonly problems: readonly {
          readonly file: string;
          readonly line: number;
          readonly message: string;
        }[];
      }>('GET', '/api/v1/templates');
      for (const { file, line, message } of found.problems) out.note(`${file}:${line}: ${message}`);
      out.show(found, () =>
        columns(
          found.items.map(({ name, version, description }) => [
            out.colour('bold', name),
            version,
            description,
          ]),
        ),
      );
    });
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
    .description('check a template file, or parameters against a template')
    .option('-p, --param <key=value>', 'parameter', collect, [])
    .option('--params-file <file>', 'parameters as JSON or YAML')
    .action(
      async (target: string, options: { readonly param: readonly string[]; readonly paramsFile?: string }) =>
        await validate(target, options, session()),
    );
  program
    .command('servers')
    .description('inference servers: what is loaded, who holds which slot')
    .action(async () => {
      const { api, out } = session();
      const { items } = await api.call<{ readonly items: readonly Server[] }>('GET', '/api/v1/servers');
      out.show(items, () => items.flatMap(serverLines));
    });
  program
    .command('status')
    .description('how the services are')
    .action(async () => {
      const { api, out } = session();
      const health = await api.call<Health>('GET', '/health/ready');
      out.show(health, () =>
        Object.entries(health.services).map(
          ([name, { ready, reasons }]) =>
            `${name.padEnd(14)} ${ready ? out.colour('green', 'ready') : out.colour('red', reasons.join('; '))}`,
        ),
      );
    });
};

const serverLines = (server: Server): readonly string[] => [
  server.vram_bytes === 0
    ? `${server.id}  ${server.state}  ${server.leases.length} of ${server.slots} slots busy`
    : `${server.id}  ${server.state}  ${server.device}, ${gib(server.vram_free_bytes)} of ${gib(server.vram_bytes)} free`,
  ...server.residencies.map(
    ({ model, state, bytes, slots, slots_busy: busy }) =>
      `  ${model}  ${state}  ${gib(bytes)}  ${busy} of ${slots} slots busy`,
  ),
];

const validate = async (
  target: string,
  options: { readonly param: readonly string[]; readonly paramsFile?: string },
  { api, out }: Session,
): Promise<void> => {
  const isFile = /\.(ya?ml|json)$/.test(target);
  const given = options.param.length > 0 || options.paramsFile !== undefined;
  const parameters =
    given || !isFile ? { parameters: await readParameters(options.param, options.paramsFile) } : {};
  const answer = await api.call<{ readonly name: string; readonly version: string }>(
    'POST',
    '/api/v1/templates/validate',
    {
      ...(isFile ? {} : { query: { template_name: target } }),
      body: { ...parameters, ...(isFile ? { template: await readFile(target, 'utf8') } : {}) },
    },
  );
  out.show(answer, () => [`${answer.name} (${answer.version}) is valid`]);
};
