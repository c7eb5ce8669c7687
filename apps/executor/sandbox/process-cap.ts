import { randomUUID } from 'node:crypto';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where groups of processes are made: one tree for all of version 2, one for the number of processes in version 1. */
const TREES = ['/sys/fs/cgroup', '/sys/fs/cgroup/pids'] as const;

/**
 * A group of processes (cgroup) in which the kernel refuses further ones. What watches a program looks ten times a second, in which a
 * fork bomb makes thousands of processes; RLIMIT_NPROC would refuse them, but an administrator's are not counted.
 */
export class ProcessCap {
  private constructor(private readonly folder: string) {}

  /** Null where this user may not make groups, as all but administrators; for them RLIMIT_NPROC counts. */
  static make(tasksMax: number): ProcessCap | null {
    for (const tree of TREES) {
      const folder = join(tree, `orchestra-${randomUUID()}`);
      try {
        mkdirSync(folder);
      } catch {
        continue;
      }
      const cap = new ProcessCap(folder);
      try {
        // "r+" makes no file: where processes are not counted there is none.
        writeFileSync(join(folder, 'pids.max'), String(tasksMax), { flag: 'r+' });
        return cap;
      } catch {
        cap.remove();
      }
    }
    return null;
  }

  /** Takes in a process, and with it what it starts from now on. */
  takeIn(pid: number): void {
    try {
      writeFileSync(join(this.folder, 'cgroup.procs'), String(pid), { flag: 'r+' });
    } catch {
      // It has ended already.
    }
  }

  /** Once all of its processes are gone. */
  remove(): void {
    try {
      rmdirSync(this.folder);
    } catch {
      // It is in use for as long as a process in it waits for a disk, and costs nothing meanwhile.
    }
  }
}
