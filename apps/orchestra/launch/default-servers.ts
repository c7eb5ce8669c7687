import { totalmem } from 'node:os';
import { gpusOfThisMachine } from '#libs/runtime/gpu-inventory.js';
import { CommandError, EXIT } from '../exit-codes.js';

/** Share of main memory that models may fill where there is no GPU: the rest is for the system and for us. */
const RAM_SHARE = 0.5;

const OLLAMA_PORT = '11434';

/** A server that listens on every address is reached on this machine's own. */
const LOCAL: Readonly<Record<string, string>> = { '': '127.0.0.1', '0.0.0.0': '127.0.0.1', '[::]': '[::1]' };

const HOST = /^(?:(?<scheme>https?):\/\/)?(?<host>\[[^\]/]+\]|[^:/\s]*)(?::(?<port>\d+))?(?:\/\S*)?$/;

/** `OLLAMA_HOST` as Ollama's own client reads it: host, port or both; or a URL, whose scheme then says the port that is not given. */
export const ollamaUrl = (env: NodeJS.ProcessEnv): string => {
  const given = env['OLLAMA_HOST']?.trim() ?? '';
  const { scheme, host = '', port } = HOST.exec(given)?.groups ?? { host: ' ' };
  const place = port ?? (scheme === undefined ? OLLAMA_PORT : '');
  const address = `${scheme ?? 'http'}://${LOCAL[host] ?? host}${place === '' ? '' : `:${place}`}`;
  if (URL.canParse(address)) return new URL(address).origin;
  throw new CommandError(
    EXIT.usage,
    `OLLAMA_HOST '${given}': expected host:port or a URL, such as 127.0.0.1:${OLLAMA_PORT}`,
  );
};

/** The servers file for this machine and one Ollama. */
export const defaultServers = async (url: string, env: NodeJS.ProcessEnv): Promise<string> =>
  serversText(url, (await gpusOfThisMachine(env))[0]?.memoryBytes ?? null, env);

/** What a person would write, with what was found out. */
export const serversText = (url: string, gpu: number | null, env: NodeJS.ProcessEnv): string => {
  const bytes = gpu ?? totalmem() * RAM_SHARE;
  const slots = /^[1-9]\d{0,2}$/.test(env['OLLAMA_NUM_PARALLEL'] ?? '') ? env['OLLAMA_NUM_PARALLEL'] : '1';
  return [
    '# The inference servers that the orchestra may use. A change is picked up while it runs.',
    'servers:',
    '  - id: ollama-1',
    `    url: ${url}`,
    `    vram: ${Math.floor(bytes / 2 ** 20)}MiB   # memory that models may fill`,
    `    slots: ${slots}   # its OLLAMA_NUM_PARALLEL`,
    `    device: ${gpu === null ? 'cpu' : 'gpu'}`,
    '    pull_missing: false   # true downloads models that it lacks',
    '',
  ].join('\n');
};
