import type { Command } from 'commander';
import { ProblemError } from '../client/api.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';

type Health = {
  readonly ready: boolean;
  readonly services: Readonly<
    Record<string, { readonly ready: boolean; readonly reasons: readonly string[] }>
  >;
};

/** `orchestra status`. */
export const addPlatformCommands = (program: Command, session: () => Session): void => {
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
