import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXIT } from '../exit-codes.js';
import { readParameters } from './parameters.js';

let folder: string;
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-parameters-'));
});
afterAll(async () => await rm(folder, { recursive: true }));

describe('a parameter', () => {
  it.each([
    ['n=7', { n: 7 }],
    ['yes=true', { yes: true }],
    ['none=null', { none: null }],
    ['list=[1, "a"]', { list: [1, 'a'] }],
    ['options={"top_k": 3}', { options: { top_k: 3 } }],
    ['prompt=Why is the sky blue?', { prompt: 'Why is the sky blue?' }],
    ['half={"top_k":', { half: '{"top_k":' }],
    ['sum=1+1=2', { sum: '1+1=2' }],
    ['empty=', { empty: '' }],
    ['id:=7', { id: '7' }],
    ['at:=@home', { at: '@home' }],
    ['__proto__=1', JSON.parse('{"__proto__": 1}') as object],
  ])('%s is read as JSON where it is JSON', async (pair, wanted) => {
    expect(await readParameters([pair], undefined)).toEqual(wanted);
  });

  it('is the text of a file, never parsed', async () => {
    const path = await file('prompt.txt', '7\n');
    expect(await readParameters([`prompt=@${path}`], undefined)).toEqual({ prompt: '7\n' });
  });

  it.each(['prompt', '=x', ''])('%j is refused', async (pair) => {
    await expect(readParameters([pair], undefined)).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: `-p '${pair}': expected key=value, key=@file or key:=text`,
    });
  });
});

describe('a file of parameters', () => {
  it('is JSON or YAML, and single parameters go over it', async () => {
    const yaml = await file('p.yaml', 'model: m\nprompt: |\n  two\n  lines\n');
    expect(await readParameters(['model=n'], yaml)).toEqual({ model: 'n', prompt: 'two\nlines\n' });
    const json = await file('p.json', '{"n": 1}');
    expect(await readParameters([], json)).toEqual({ n: 1 });
  });

  it.each([
    ['list.yaml', '- 1\n', 'expected an object of parameters'],
    ['broken.json', '{"a": [', 'not JSON or YAML'],
    ['large.json', `"${'x'.repeat(901 * 1024)}"`, 'is too large'],
  ])('%s is refused', async (name, text, wanted) => {
    await expect(readParameters([], await file(name, text))).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining(wanted),
    });
  });

  it('that is not there is refused by name', async () => {
    await expect(readParameters([], join(folder, 'none.json'))).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining('none.json cannot be read: ENOENT'),
    });
  });
});
