import { readFile } from 'node:fs/promises';
import type { Change } from '#libs/simulation/backtest/change.js';
import { parsePolicyFile } from '#libs/policy-file/policy-file.js';
import { parseServersFile } from '#libs/servers-file/servers-file.js';
import { CommandError, EXIT } from '../exit-codes.js';

type Files = { readonly policy?: string; readonly servers?: string };

/** What is to be other than it was, from files as the platform reads them. Every problem of both is told at once. */
export const readChange = async ({ policy, servers }: Files): Promise<Change> => {
  if (policy === undefined && servers === undefined)
    throw new CommandError(EXIT.usage, 'Nothing is changed: give --policy, --servers, or both.');
  const settings = policy === undefined ? null : parsePolicyFile(await textOf(policy), policy);
  const list = servers === undefined ? null : parseServersFile(await textOf(servers), servers);
  const problems = [settings, list].flatMap((read) => (read === null || read.ok ? [] : read.problems));
  if (problems.length > 0) throw new CommandError(EXIT.usage, problems.join('\n'));
  return {
    ...(settings?.ok ? { policy: settings.policy } : {}),
    ...(list?.ok ? { servers: list.servers } : {}),
  };
};

const textOf = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.usage, `${file} cannot be read: ${(error as Error).message}`);
  }
};
