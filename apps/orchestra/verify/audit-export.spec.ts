import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXIT } from '../exit-codes.js';
import { auditExport } from './audit-export.js';

const FILES = { tasks: 'test/fixtures/log/tasks.ndjson', leases: 'test/fixtures/log/leases.ndjson' };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-export-'));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const written = async (text: string): Promise<string> => {
  const file = join(folder, 'tasks.ndjson');
  await writeFile(file, text);
  return file;
};

describe('an export of a log', () => {
  it('is audited as the log was', async () =>
    expect(await auditExport(FILES, true)).toMatchObject({ sound: true, read: { tasks: 33, leases: 33 } }));

  it('does not need line ends like ours', async () => {
    const tasks = await written((await readFile(FILES.tasks, 'utf8')).replaceAll('\n', '\r\n'));
    expect(await auditExport({ ...FILES, tasks }, true)).toMatchObject({ sound: true });
  });

  it.each([
    ['{"seq": 1', 'JSON'],
    ['{"seq": 1, "type": "task.submitted"}', 'orchestra events --json'],
    ['[]', 'orchestra events --json'],
    ['null', 'orchestra events --json'],
  ])('with the line %s is refused with its place', async (line, said) => {
    const tasks = await written(`${line}\n`);
    await expect(auditExport({ ...FILES, tasks }, false)).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringMatching(new RegExp(`tasks.ndjson, line 1: .*${said}`)),
    });
  });

  it('that is not there is refused by its name', async () =>
    await expect(auditExport({ ...FILES, leases: join(folder, 'nothing') }, false)).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining('nothing cannot be read'),
    }));
});
