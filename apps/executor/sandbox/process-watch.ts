import { readdir, readFile, readlink } from 'node:fs/promises';

/** What all processes of a sandbox hold together. */
export type Held = { readonly memoryBytes: number; readonly tasks: number };

const KIB = 1024;

/**
 * Sums up the processes of a sandbox through its own /proc, which lists no others; `init` is its first process as this machine counts.
 * Null while that cannot be seen: the sandbox is not there yet, or no longer. Stops counting behind `tasksMax`.
 */
export const heldBy = async (init: number, tasksMax: number): Promise<Held | null> => {
  const proc = `/proc/${init}/root/proc`;
  // While the sandbox is being made, its first process still sees this machine's /proc.
  const [own, seen] = await Promise.all([namespaceOf(`/proc/${init}`), namespaceOf(`${proc}/1`)]);
  if (own === null || own !== seen) return null;
  const entries = await readdir(proc).catch(() => null);
  if (entries === null) return null;
  const ids = entries.filter((name) => /^\d+$/.test(name));
  if (ids.length > tasksMax) return { memoryBytes: 0, tasks: ids.length };
  const held = await Promise.all(ids.map((id) => heldByOne(`${proc}/${id}/status`)));
  return held.reduce(
    (sum, { memoryBytes, tasks }) => ({
      memoryBytes: sum.memoryBytes + memoryBytes,
      tasks: sum.tasks + tasks,
    }),
    NOTHING,
  );
};

const namespaceOf = async (process: string): Promise<string | null> =>
  await readlink(`${process}/ns/pid`).catch(() => null);

const NOTHING: Held = { memoryBytes: 0, tasks: 0 };

/** Memory that is its own: pages of files are the system's to drop. */
const heldByOne = async (file: string): Promise<Held> => {
  const status = await readFile(file, 'utf8').catch(() => null);
  if (status === null) return NOTHING;
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
  return {
    memoryBytes: (number('RssAnon') + number('RssShmem') + number('VmSwap')) * KIB,
    tasks: number('Threads'),
  };
};
