import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findProgram, findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import { StepBench } from './step-bench.js';

const sandbox = await findSandbox();

let bench: StepBench;
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'orchestra-root-'));
  await writeFile(join(root, 'shared.txt'), 'shared');
  await symlink('/etc/hostname', join(root, 'link'));
  bench = await StepBench.start({
    ORCHESTRA_READ_ROOTS: root,
    ORCHESTRA_UNSANDBOXED: sandbox.kind === 'bwrap' ? 'refuse' : 'allow',
  });
  for (const [path, text] of Object.entries({
    'a.md': 'A',
    'src/b.py': 'B',
    'src/deep/c.py': 'C',
    'src/.d.py': 'D',
  }))
    await bench.run('write_file', { path, text });
});

afterAll(async () => {
  await bench?.stop();
  await rm(root, { recursive: true, force: true });
});

const pathsOf = async (input: Readonly<Record<string, unknown>>): Promise<unknown> => {
  const outcome = await bench.run('read_files', input);
  return outcome.kind === 'completed'
    ? (outcome.output as { files: { path: string }[] }).files.map(({ path }) => path)
    : outcome;
};

describe('read_files', () => {
  it.each([
    [['*'], ['a.md']],
    [['**'], ['a.md', 'src/b.py', 'src/deep/c.py']],
    [['src/*.py'], ['src/b.py']],
    [['**/*.py'], ['src/b.py', 'src/deep/c.py']],
    [
      ['src/.*', 'a.?d'],
      ['a.md', 'src/.d.py'],
    ],
    [['none/**'], []],
  ])('finds by %j', async (globs, paths) => {
    expect(await pathsOf({ globs })).toEqual(paths);
  });

  it('reads what is named in its order, then what is found, each once', async () => {
    expect(await pathsOf({ paths: ['src/b.py', 'a.md'], globs: ['**/*.py'] })).toEqual([
      'src/b.py',
      'a.md',
      'src/deep/c.py',
    ]);
  });

  it.each([
    ['utf-8', Buffer.from('größer'), 'utf-8', 'größer'],
    ['utf-8 with a mark', Buffer.from('\uFEFFgrößer'), 'utf-8', 'größer'],
    ['utf-16le', Buffer.from('\uFEFFgrößer', 'utf16le'), 'utf-16le', 'größer'],
    ['utf-16be', Buffer.from('\uFEFFgrößer', 'utf16le').swap16(), 'utf-16be', 'größer'],
    ['latin-1', Buffer.from('größer', 'latin1'), 'latin-1', 'größer'],
    ['nothing', Buffer.alloc(0), 'utf-8', ''],
  ])('tells that it is %s', async (_, bytes, encoding, text) => {
    await writeFile(join(bench.files(), 'some'), bytes);
    expect(await bench.run('read_files', { paths: ['some'] })).toEqual({
      kind: 'completed',
      output: { files: [{ path: 'some', text, bytes: bytes.length, encoding }], truncated: false },
    });
  });

  it('refuses what is no text, and gives its bytes when asked', async () => {
    await writeFile(join(bench.files(), 'bytes'), Buffer.from([0, 1, 255]));
    expect(await bench.run('read_files', { paths: ['bytes'] })).toMatchObject({
      failure: { code: 'FILE_NOT_READABLE', message: expect.stringContaining('encoding: base64') },
    });
    expect(await bench.run('read_files', { paths: ['bytes'], encoding: 'base64' })).toMatchObject({
      output: { files: [{ base64: 'AAH/', bytes: 3, encoding: 'base64' }] },
    });
    await writeFile(join(bench.files(), 'some'), Buffer.from('größer', 'latin1'));
    expect(await bench.run('read_files', { paths: ['some'], encoding: 'utf-8' })).toMatchObject({
      failure: { code: 'FILE_NOT_READABLE' },
    });
  });

  it('stops at max_files and at max_bytes, between characters, and says so', async () => {
    expect(await bench.run('read_files', { globs: ['**'], max_files: 1 })).toMatchObject({
      output: { files: [{ path: 'a.md' }], truncated: true },
    });
    await writeFile(join(bench.files(), 'wide'), 'ääää');
    expect(
      await bench.run('read_files', { paths: ['a.md', 'wide', 'src/b.py'], max_bytes: 4 }),
    ).toMatchObject({
      output: { files: [{ text: 'A' }, { text: 'ä', bytes: 8, truncated: true }], truncated: true },
    });
  });

  it('reads below the folders that a setting names, and nowhere else', async () => {
    expect(await bench.run('read_files', { paths: [join(root, 'shared.txt')] })).toMatchObject({
      output: { files: [{ path: join(root, 'shared.txt'), text: 'shared' }] },
    });
    expect(await pathsOf({ globs: [`${root}/*`] })).toEqual([join(root, 'shared.txt')]);
    for (const path of [join(root, 'link'), `${root}/../secret`, `${root}x`, '/etc/hostname'])
      expect(await bench.run('read_files', { paths: [path] })).toMatchObject({
        failure: { code: 'PATH_NOT_ALLOWED' },
      });
    expect(await bench.run('write_file', { path: join(root, 'new'), text: '' })).toMatchObject({
      failure: { code: 'PATH_NOT_ALLOWED' },
    });
  });

  it('reads a PDF where pdftotext is installed, and says what is missing where it is not', async () => {
    await writeFile(join(bench.files(), 'page.pdf'), PDF);
    const outcome = await bench.run('read_files', { paths: ['page.pdf'] });
    if ((await findProgram('pdftotext')) === null)
      expect(outcome).toMatchObject({
        failure: { code: 'FILE_NOT_READABLE', message: expect.stringContaining('poppler-utils') },
      });
    else
      expect(outcome).toMatchObject({
        output: { files: [{ text: expect.stringContaining('Hello from a page'), encoding: 'pdf' }] },
      });
  });
});

describe('write_file', () => {
  it('makes folders, replaces, appends, and says what stands there then', async () => {
    expect(await bench.run('write_file', { path: 'new/er/file', text: 'ab' })).toEqual({
      kind: 'completed',
      output: {
        path: 'new/er/file',
        bytes: 2,
        sha256: 'fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603',
      },
    });
    expect(await bench.run('write_file', { path: './new//er/file', text: 'c', append: true })).toMatchObject({
      output: {
        path: 'new/er/file',
        bytes: 3,
        sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      },
    });
    expect(await bench.run('write_file', { path: 'new/er/file', json: { a: [1] } })).toMatchObject({
      kind: 'completed',
    });
    expect(await bench.run('read_files', { paths: ['new/er/file'] })).toMatchObject({
      output: { files: [{ text: '{\n  "a": [\n    1\n  ]\n}\n' }] },
    });
  });

  it.each([
    [{ path: 'x' }, 'accepted: exactly one'],
    [{ path: 'x', text: 'a', base64: 'YQ==' }, 'accepted: exactly one'],
    [{ path: 'x', base64: 'no base64' }, 'base64 is no base64'],
    [{ text: 'a' }, 'path is missing'],
  ])('refuses %j', async (input, message) => {
    expect(await bench.run('write_file', input)).toMatchObject({
      failure: { code: 'STEP_INPUT_INVALID', message: expect.stringContaining(message) },
    });
  });
});

/** One page with a line of text, and an object table that readers rebuild. */
const PDF = [
  '%PDF-1.4',
  '1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj',
  '2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj',
  '3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 300 100] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>> endobj',
  '4 0 obj <</Length 48>> stream',
  'BT /F1 18 Tf 10 50 Td (Hello from a page) Tj ET  ',
  'endstream endobj',
  '5 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj',
  'trailer <</Root 1 0 R>>',
  '%%EOF',
].join('\n');
