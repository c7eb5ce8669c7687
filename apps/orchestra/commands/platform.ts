import type { Command } from 'commander';
import { ProblemError } from '../client/api.js';
import { CommandError, EXIT } from '../exit-codes.js';
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
type Health = {
  readonly ready: boolean;
  readonly services: Readonly<
    Record<string, { readonly ready: boolean; readonly reasons: readonly string[] }>
  >;
};

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Commands about the platform itself: servers, status. */
export const addPlatformCommands = (program: Command, session: () => Session): void => {
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
  program
    .command('status')
    .description('how the services are')
    .action(async () => await status(session()));
};

/** What is not ready is told like what is; the exit code is what differs. */
const status = async ({ api, out }: Session): Promise<void> => {
  const health = await api.call<Health>('GET', '/health/ready').catch((error: unknown) => {
    if (error instanceof ProblemError && error.problem?.details?.['services'] !== undefined)
      return { ready: false, ...error.problem.details } as unknown as Health;
    throw error;
  });
  out.show(health, () =>
    Object.entries(health.services).map(
      ([name, { ready, reasons }]) =>
        `${name.padEnd(14)} ${ready ? out.colour('green', 'ready') : out.colour('red', reasons.join('; '))}`,
    ),
  );
  if (!health.ready) throw new CommandError(EXIT.unreachable, 'The platform is not ready.');
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
