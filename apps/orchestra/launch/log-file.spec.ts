import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LogFile } from './log-file.js';

let folder: string;
let said: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-log-'));
  said = [];
});
afterEach(async () => await rm(folder, { recursive: true }));

const logFile = (name = 'x.log'): LogFile =>
  new LogFile(join(folder, name), (reason) => said.push(reason), { maxBytes: 10, kept: 2 });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = async (name: string): Promise<string> => await readFile(join(folder, name), 'utf8');

describe('a log file', () => {
  it('is set aside before it grows beyond its bound, and the oldest goes', async () => {
    const log = logFile();
    for (const part of ['aaaaaa', 'bbbb', 'cccccc', 'dddddd', 'eeeeee']) log.write(bytes(part));
    log.close();
    expect((await readdir(folder)).toSorted()).toEqual(['x.log', 'x.log.1', 'x.log.2']);
    expect(await Promise.all(['x.log', 'x.log.1', 'x.log.2'].map(text))).toEqual([
      'eeeeee',
      'dddddd',
      'cccccc',
    ]);
  });

  it('goes on where the one of an earlier launcher ended', async () => {
    await writeFile(join(folder, 'x.log'), 'before ');
    const log = logFile();
    log.write(bytes('now'));
    expect(await text('x.log')).toBe('before now');
    log.write(bytes('later'));
    log.close();
    expect([await text('x.log'), await text('x.log.1')]).toEqual(['later', 'before now']);
  });

  it('keeps a part that is larger than the bound', async () => {
    const log = logFile();
    log.write(bytes('x'.repeat(25)));
    log.close();
    expect(await text('x.log')).toHaveLength(25);
  });

  it('that cannot be written says so once, and goes on when it can be again', async () => {
    const log = logFile('missing/x.log');
    log.write(bytes('a'));
    log.write(bytes('b'));
    expect(said).toEqual([expect.stringMatching(/missing\/x\.log cannot be written: .*ENOENT/)]);
    await rm(folder, { recursive: true });
    folder = await mkdtemp(join(tmpdir(), 'orchestra-log-'));
  });
});
