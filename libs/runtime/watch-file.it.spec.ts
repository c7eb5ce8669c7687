import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { watchFile } from './watch-file.js';

let folder: string;
let file: string;
let stop: () => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-watch-'));
  file = join(folder, 'settings.yaml');
  stop = () => Promise.resolve();
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

const contents = async (): Promise<string | null> => await readFile(file, 'utf8').catch(() => null);

describe('a watched file', () => {
  it('is read at once, and again when it comes, changes and goes', async () => {
    const reads = new EventEmitter();
    const seen: (string | null)[] = [];
    stop = await watchFile(file, async () => {
      seen.push(await contents());
      reads.emit('read');
    });
    expect(seen).toEqual([null]);
    for (const text of ['a', 'b', null]) {
      const read = once(reads, 'read');
      await (text === null ? rm(file) : writeFile(file, text));
      await read;
      expect(seen.at(-1)).toBe(text);
    }
  });

  it('is read by one call at a time, the last of which has seen the last change', async () => {
    const calls = new EventEmitter();
    let underWay = 0;
    let most = 0;
    const seen: (string | null)[] = [];
    stop = await watchFile(file, async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      const text = await contents();
      // The call that reads the first change ends when the second one has been written and told.
      if (text === 'first') {
        await writeFile(file, 'second');
        await once(calls, 'go on');
      }
      seen.push(text);
      underWay -= 1;
      calls.emit('done');
    });
    const second = once(calls, 'done').then(async () => await once(calls, 'done'));
    const watcher = setInterval(() => calls.emit('go on'), 500);
    await writeFile(file, 'first');
    await second;
    clearInterval(watcher);
    expect(seen).toEqual([null, 'first', 'second']);
    expect(most).toBe(1);
  });
});
