import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lint } from './lint.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lint-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const put = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

const GOOD = 'name: good\nsteps:\n  - { id: a, type: noop }\n';

describe('checking files without a platform', () => {
  it('finds nothing in the shipped templates', async () => {
    expect(await lint(['templates'])).toMatchObject({ errors: 0, warnings: 0, findings: [] });
  });

  it('finds something in every wrong template', async () => {
    const { files, findings } = await lint(['test/fixtures/wrong-templates']);
    const wrong = new Set(findings.filter(({ severity }) => severity === 'error').map(({ file }) => file));
    expect(wrong.size).toBe(files);
  });

  it('names files as they were given, and counts', async () => {
    const bad = await put('bad.yaml', 'name: bad\nsteps: 5\n');
    const spare = await put('spare.yaml', `parameters: { x: { type: any } }\n${GOOD}`);
    await put('notes.txt', 'no template');
    expect(await lint([bad, spare])).toMatchObject({
      files: 2,
      errors: 1,
      warnings: 1,
      findings: [
        { severity: 'error', file: bad, line: 2, column: 8, path: 'steps' },
        { severity: 'warning', file: spare, line: 1, column: 15, path: 'parameters.x' },
      ],
    });
    expect((await lint([folder])).files).toBe(2);
  });

  it('finds a name that two files of a folder have, but not of two folders', async () => {
    const first = await put('1.yaml', GOOD);
    const second = await put('2.yaml', GOOD);
    const { findings } = await lint([folder]);
    expect(findings).toEqual([
      expect.objectContaining({ file: second, path: 'name', message: expect.stringContaining(first) }),
    ]);
    expect((await lint([first, second])).findings).toEqual([]);
  });

  it('finds templates of a folder that submit each other, and says nothing of a file alone', async () => {
    const submits = (name: string, child: string): string =>
      `name: ${name}\nsteps: [{ id: a, type: task, with: { template: ${child} } }]\n`;
    const first = await put('1.yaml', submits('a', 'b'));
    await put('2.yaml', submits('b', 'a'));
    expect((await lint([folder])).findings.map(({ line, path }) => [line, path])).toEqual([
      [2, 'steps[0].with.template'],
      [2, 'steps[0].with.template'],
    ]);
    expect((await lint([first])).findings).toEqual([]);
  });

  it('says what is too large, and what is not there', async () => {
    const large = await put('large.yaml', `# ${'x'.repeat(300_000)}\n${GOOD}`);
    expect(await lint([large])).toMatchObject({
      errors: 1,
      findings: [{ message: expect.stringMatching(/too large; accepted: up to 262144/) }],
    });
    await expect(lint([join(folder, 'none.yaml')])).rejects.toThrow(/none\.yaml cannot be read/);
  });
});
