import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { later, NOW_MS } from '#libs/testing/builders.js';
import { answerKey } from './answer-key.js';
import { AnswerLinks } from './answer-links.js';

const links = new AnswerLinks(Buffer.alloc(32, 1), () => 'https://ai.example/');
const to = { taskId: 't1', stepId: 'ask', waitingSeq: 7 };
const tokenOf = (url: string): string => url.slice('https://ai.example/api/v1/answers/'.length);
const made = links.linkFor(to, { nowMs: NOW_MS, until: null, by: 'Ada Lovelace' });
const token = tokenOf(made.url);

describe('a link', () => {
  it('says what it leads to, until when, and in whose name', () => {
    expect(made.url).toMatch(/^https:\/\/ai\.example\/api\/v1\/answers\/[\w-]+\.[\w-]+$/);
    expect(made.expiresAtMs).toBe(NOW_MS + 7 * 86_400_000);
    expect(links.verify(token, NOW_MS)).toEqual({ ...to, expiresAtMs: made.expiresAtMs, by: 'Ada Lovelace' });
  });

  it('holds until the question ends, a week at most', () => {
    const short = links.linkFor(to, { nowMs: NOW_MS, until: later(1_000) });
    expect(links.verify(tokenOf(short.url), NOW_MS + 999)).toMatchObject({ by: null });
    expect(links.verify(tokenOf(short.url), NOW_MS + 1_000)).toBe('expired');
    expect(links.verify(token, made.expiresAtMs)).toBe('expired');
  });

  it('with any character changed, cut or added is none', () => {
    for (let place = 0; place < token.length; place += 1) {
      const other = token[place] === 'A' ? 'B' : 'A';
      const changed = `${token.slice(0, place)}${other}${token.slice(place + 1)}`;
      const found = links.verify(changed, NOW_MS);
      // The last character of a signature has bits that mean nothing.
      if (place === token.length - 1 && found !== null) expect(found).toEqual(links.verify(token, NOW_MS));
      else expect([place, found]).toEqual([place, null]);
    }
    for (const wrong of [
      '',
      '.',
      'x',
      `${token}.x`,
      `${token}x`.slice(1),
      token.split('.')[0] ?? '',
      'x'.repeat(5_000),
    ])
      expect(links.verify(wrong, NOW_MS)).toBeNull();
  });

  it('of another key is none', () =>
    expect(new AnswerLinks(Buffer.alloc(32, 2), () => '').verify(token, NOW_MS)).toBeNull());
});

describe('the key', () => {
  let folder: string;
  const file = (): string => join(folder, 'keys', 'answer-links.key');
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'orchestra-key-'))));
  afterEach(async () => await rm(folder, { recursive: true, force: true }));

  it('is made once, whoever starts at the same time, for its owner alone', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => answerKey(folder)));
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
    expect([keys[0]?.length, (await stat(file())).mode & 0o777]).toEqual([32, 0o600]);
    expect(await answerKey(folder)).toEqual(keys[0]);
    expect(await readFile(file(), 'utf8')).toMatch(/^[\w-]{43}\n$/);
  });

  it('is refused where others may read it, or it is none', async () => {
    await answerKey(folder);
    await chmod(file(), 0o644);
    await expect(answerKey(folder)).rejects.toThrow('can be read by others (mode 644); expected 600');
    await chmod(file(), 0o600);
    await writeFile(file(), 'short');
    await expect(answerKey(folder)).rejects.toThrow('expected 32');
  });
});
