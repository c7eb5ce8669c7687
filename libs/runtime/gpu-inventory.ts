import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A GPU of this machine, as its driver tells it. */
export type Gpu = { readonly index: number; readonly name: string; readonly memoryBytes: number };

/** It answers in a tenth of a second; a driver that is stuck never does. */
const LIMIT_MS = 5_000;

/** A line per GPU; a machine with more text than this has no such tool. */
const OUTPUT_MAX_BYTES = 64 * 1024;

const QUERY = ['--query-gpu=index,name,memory.total', '--format=csv,noheader,nounits'];

const MIB = 1024 ** 2;

/** NVIDIA GPUs of this machine. None where the tool is absent, fails or hangs: that is how most machines are. */
export const gpusOfThisMachine = async (env: NodeJS.ProcessEnv = process.env): Promise<readonly Gpu[]> => {
  try {
    const limits = { timeout: LIMIT_MS, killSignal: 'SIGKILL', maxBuffer: OUTPUT_MAX_BYTES } as const;
    const { stdout } = await promisify(execFile)('nvidia-smi', QUERY, { ...limits, env });
    return parseGpus(stdout);
  } catch {
    return [];
  }
};

/** Reads `index, name, MiB` lines. A GPU without memory of its own says `[N/A]`, and is left out. */
export const parseGpus = (csv: string): readonly Gpu[] =>
  csv.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s*,\s*(.+?)\s*,\s*(\d+)\s*$/.exec(line);
    const [, index, name, mebibytes] = match ?? [];
    if (name === undefined || Number(mebibytes) <= 0) return [];
    return [{ index: Number(index), name, memoryBytes: Number(mebibytes) * MIB }];
  });
