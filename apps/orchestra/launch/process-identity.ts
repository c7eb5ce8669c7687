import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const PS_LIMIT_MS = 5_000;

/**
 * When a process began, as text that no other process with the same id has: ids are used again, after a restart of the machine
 * at once. Null where there is no such process, or where the system does not tell.
 */
export const startOf = async (pid: number): Promise<string | null> =>
  process.platform === 'linux' ? await fromProc(pid) : await fromPs(pid);

const fromProc = async (pid: number): Promise<string | null> => {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // The second field is the program's name in parentheses and may hold anything; the start time is the 22nd.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks === undefined ? null : `${boot.trim()}/${ticks}`;
  } catch {
    return null;
  }
};

const fromPs = async (pid: number): Promise<string | null> => {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], {
      timeout: PS_LIMIT_MS,
    });
    return stdout.trim() || null;
  } catch {
    return null;
  }
};

/** Whether a process with this id is there; one of another user counts. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};
