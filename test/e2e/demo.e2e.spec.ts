import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

describe('the demo', () => {
  it('answers three tasks, exits 0, and leaves nothing running', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'orchestra-demo-'));
    try {
      // A port on which nothing listens: the simulator is used whatever runs on this machine.
      const env = { ...process.env, NODE_OPTIONS: '', OLLAMA_HOST: '127.0.0.1:1' };
      const args = ['dist/apps/orchestra/main.js', '--json', 'demo', '--data', dataDir];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env, maxBuffer: 2 ** 24 });
      const summary = JSON.parse(stdout) as {
        tasks: { name: string; status: string; started_at: string; ended_at: string }[];
      };
      expect(summary.tasks.map(({ name, status }) => [name, status])).toEqual([
        ['relaxed', 'completed'],
        ['urgent', 'completed'],
        ['last', 'completed'],
      ]);
      const [, urgent, last] = summary.tasks;
      expect(Date.parse(last?.started_at ?? '')).toBeGreaterThanOrEqual(Date.parse(urgent?.ended_at ?? ''));
      expect(await processesNaming(dataDir)).toEqual([]);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 180_000);
});

const processesNaming = async (text: string): Promise<readonly string[]> => {
  const lines = await Promise.all(
    (await readdir('/proc'))
      .filter((entry) => /^\d+$/.test(entry))
      .map(async (pid) => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => line.includes(text));
};
