import { readdirSync, readFileSync } from 'node:fs';

/**
 * Processes that have this folder in their arguments or their environment: everything that a launcher starts on it. Linux only,
 * because no other system shows the environment of a process that has ended its parent.
 */
export const processesOn = (folder: string): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => ({ pid, command: textOf(`/proc/${pid}/cmdline`), env: textOf(`/proc/${pid}/environ`) }))
    .filter(({ command, env }) => `${command}\n${env}`.includes(folder))
    .map(({ pid, command }) => `${pid} ${command}`);

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').replaceAll('\0', ' ');
  } catch {
    // It has ended meanwhile, or is another user's.
    return '';
  }
};
