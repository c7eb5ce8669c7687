import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { ProcessCap } from '#apps/executor/sandbox/process-cap.js';

const TASKS_MAX = 4;

/**
 * Goal: the kernel itself refuses what a program starts beyond its cap.
 * Method: a shell that waits is taken in, is let go, and starts more than it may; the same without the cap starts them all.
 */
const probe = ProcessCap.make(TASKS_MAX);
probe?.remove();
const withGroups = probe === null ? describe.skip : describe;

withGroups(`a cap of processes${probe === null ? ' (skipped: this user may not make groups)' : ''}`, () => {
  const started = async (cap: ProcessCap | null): Promise<{ count: number; said: string }> => {
    const script = 'read -r; for n in 1 2 3 4 5 6 7 8; do sleep 60 & jobs -p | tail -1; done';
    const child = spawn('bash', ['-c', script], { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (part: Buffer) => (said += part.toString()));
    let out = '';
    child.stdout.on('data', (part: Buffer) => (out += part.toString()));
    cap?.takeIn(child.pid ?? 0);
    child.stdin.end('\n');
    const refused = new Promise<void>((resolve) => child.stderr.on('data', () => resolve()));
    await Promise.race([once(child, 'exit'), refused]);
    const count = await sizeOfGroup(child.pid ?? 0);
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await once(child, 'close');
    return { count, said: said + out };
  };

  it('refuses the processes beyond it, and its group can be removed when they are gone', async () => {
    const cap = ProcessCap.make(TASKS_MAX);
    const capped = await started(cap);
    expect(capped.said).toContain('Resource temporarily unavailable');
    expect(capped.count).toBeLessThanOrEqual(TASKS_MAX);
    cap?.remove();
  });

  it('is what refuses them', async () => {
    const free = await started(null);
    expect(free.said).not.toContain('Resource temporarily unavailable');
    expect(free.count).toBeGreaterThanOrEqual(8);
  });
});

const sizeOfGroup = async (leader: number): Promise<number> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(
    pids.map(async (pid) => await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')),
  );
  // Behind the name, which may hold anything: state, parent, group.
  return stats.filter((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]) === leader)
    .length;
};
