import type { Command } from 'commander';
import { labelPair, wholeNumber } from '../arguments.js';
import type { Session } from '../session.js';

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
const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** `orchestra servers`, and what can be done with one. */
export const addServerCommands = (program: Command, session: () => Session): void => {
  const servers = program
    .command('servers')
    .description('inference servers: what is loaded, who holds which slot')
    .action(async () => {
      const { api, out } = session();
      const { items } = await api.call<{ readonly items: readonly Server[] }>('GET', '/api/v1/servers');
      out.show(items, () => items.flatMap(serverLines));
    });
  for (const [verb, does] of [
    ['drain', 'let nothing new start on a server, and unload its models when what runs there has ended'],
    ['resume', 'let a drained server take work again'],
  ] as const)
    servers
      .command(verb)
      .description(does)
      .argument('<id>', 'id of the server')
      .action(async (id: string) => {
        const { api, out } = session();
        const server = await api.call<Server>('POST', `/api/v1/servers/${encodeURIComponent(id)}/${verb}`);
        out.show(server, () => serverLines(server));
      });
  addFleetCommands(servers, session);
};

type Added = {
  readonly serverUrl: string;
  readonly vram: string;
  readonly slots: number;
  readonly device: string;
  readonly label: Readonly<Record<string, string>>;
  readonly pullMissing?: boolean;
};

const pathOf = (id: string): string => `/api/v1/servers/${encodeURIComponent(id)}`;

const addFleetCommands = (servers: Command, session: () => Session): void => {
  servers
    .command('add')
    .description('add a server, or change one that was added so; those of the servers file are changed there')
    .argument('<id>', 'id of the server')
    .requiredOption('--server-url <url>', 'where it listens, http://host:port')
    .requiredOption('--vram <bytes>', 'memory that models may fill, such as 24GiB')
    .option('--slots <n>', 'its OLLAMA_NUM_PARALLEL', wholeNumber(1, 256), 1)
    .option('--device <device>', 'gpu or cpu', 'gpu')
    .option(
      '--label <name=value>',
      'label; may be given several times',
      (text: string, before: Added['label']) => ({ ...before, ...Object.fromEntries([labelPair(text)]) }),
      {},
    )
    .option('--pull-missing', 'download models that it lacks')
    .action(async (id: string, { serverUrl, vram, slots, device, label, pullMissing }: Added) => {
      const { api, out } = session();
      const body = { url: serverUrl, vram, slots, device, labels: label, pull_missing: pullMissing === true };
      const server = await api.call<Server>('PUT', pathOf(id), { body });
      out.show(server, () => serverLines(server));
    });
  servers
    .command('remove')
    .description('remove a server that was added; one that works is drained first')
    .argument('<id>', 'id of the server')
    .action(async (id: string) => {
      const { api, out } = session();
      await api.call('DELETE', pathOf(id));
      out.show({ id, removed: true }, () => [`${id} is removed`]);
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
