import { execFile } from 'node:child_process';
import { totalmem } from 'node:os';
import { promisify } from 'node:util';

/** Share of main memory that models may fill where there is no GPU: the rest is for the system and for us. */
const RAM_SHARE = 0.5;

const NVIDIA_SMI_LIMIT_MS = 5_000;

/** `OLLAMA_HOST` as Ollama itself reads it: host and port, with or without a scheme. */
export const ollamaUrl = (env: NodeJS.ProcessEnv): string => {
  const host = env['OLLAMA_HOST']?.trim() || '127.0.0.1:11434';
  const url = new URL(host.includes('://') ? host : `http://${host}`);
  if (url.port === '' && !host.includes('://')) url.port = '11434';
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1';
  return url.origin;
};

/** Total memory of the first GPU that nvidia-smi reports, or null where there is none. */
const gpuBytes = async (): Promise<number | null> => {
  try {
    const args = ['--query-gpu=memory.total', '--format=csv,noheader,nounits'];
    const { stdout } = await promisify(execFile)('nvidia-smi', args, { timeout: NVIDIA_SMI_LIMIT_MS });
    const mebibytes = Number(stdout.split('\n')[0]);
    return mebibytes > 0 ? mebibytes * 2 ** 20 : null;
  } catch {
    return null;
  }
};

/** The servers file for a machine with one Ollama: what a person would write, with what was found out. */
export const defaultServers = async (url: string, env: NodeJS.ProcessEnv): Promise<string> => {
  const gpu = await gpuBytes();
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
