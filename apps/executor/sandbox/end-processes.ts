import { readdir, readFile } from 'node:fs/promises';

/** A group that is gone is what was wanted. */
export const signalGroup = (leader: number): void => {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
};

/** A dead process that nobody has asked about yet is gone, too: when it was the first of a sandbox, so are all others. */
export const isGone = async (pid: number): Promise<boolean> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat === null || /\) [ZX] /.test(stat);
};

/** Rounds in which a program that starts others as fast as it is killed is outrun. */
const ROUNDS_MAX = 20;

/**
 * Ends every process whose environment has this in it, also those that left their group: the only way to find them without a sandbox, and
 * none for a program that hides its environment.
 */
export const endMarked = async (mark: string): Promise<void> => {
  if (process.platform !== 'linux') return;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const marked = await markedBy(mark);
    if (marked.length === 0) return;
    for (const pid of marked) signal(pid);
  }
};

const signal = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
};

const markedBy = async (mark: string): Promise<readonly number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Of a dead process this is empty.
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      return environment.split('\0').includes(mark) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
};
