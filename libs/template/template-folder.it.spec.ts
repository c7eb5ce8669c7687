import { mkdtemp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openTemplateFolder, type TemplateChange, type TemplateFolder } from './template-folder.js';

const text = (name: string, echo: string): string =>
  `name: ${name}\nsteps:\n  - id: a\n    type: noop\n    with: { echo: ${echo} }\n`;

let root: string;
let directory: string;
let folder: TemplateFolder | undefined;
let changes: TemplateChange[];
let wake: () => void = () => undefined;

const open = async (): Promise<TemplateFolder> => {
  folder = await openTemplateFolder(directory, {
    onChange: (change) => {
      changes.push(change);
      wake();
    },
  });
  return folder;
};

/** Waits for a change of the folder that fits. */
const changed = async (fits: (change: TemplateChange) => boolean): Promise<void> => {
  while (!changes.some(fits)) await new Promise<void>((resolve) => (wake = resolve));
  changes = [];
};

const echoOf = (name: string): unknown => folder?.get(name)?.steps[0]?.with['echo'];
const put = (file: string, content: string): Promise<void> => writeFile(join(directory, file), content);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'templates-'));
  directory = join(root, 'templates');
  await mkdir(directory);
  changes = [];
});

afterEach(async () => {
  await folder?.close();
  folder = undefined;
  await rm(root, { recursive: true });
});

describe('a folder of templates', () => {
  it('serves what is in it, and says what is wrong with the rest', async () => {
    await put('b.yaml', text('b', '1'));
    await put('a.yml', text('a', '1'));
    await put('c.yaml', 'name: c\n');
    await put('notes.txt', 'not a template');
    const { list, get, problems } = await open();
    expect(list().map(({ name }) => name)).toEqual(['a', 'b']);
    expect(get('c')).toBeUndefined();
    expect(problems()).toEqual([
      expect.objectContaining({ file: 'templates/c.yaml', line: 1, path: 'steps' }),
    ]);
  });

  it('is refused when it is not there', async () => {
    await expect(openTemplateFolder(join(root, 'nowhere'))).rejects.toThrow(/nowhere.*expected a folder/s);
  });

  it('picks up files that are added, changed, replaced and removed', async () => {
    await put('a.yaml', text('a', '1'));
    await open();
    await put('a.yaml', text('a', '2'));
    await changed(({ changed: names }) => names.some((name) => name.startsWith('a@')));
    expect(echoOf('a')).toBe(2);

    await put('new', text('b', '3'));
    await rename(join(directory, 'new'), join(directory, 'b.yaml'));
    await changed(({ changed: names }) => names.some((name) => name.startsWith('b@')));
    expect(echoOf('b')).toBe(3);

    await rm(join(directory, 'a.yaml'));
    await changed(({ removed }) => removed.includes('a'));
    expect(echoOf('a')).toBeUndefined();
  });

  it('keeps the last good version of a file that was broken, until it is right again', async () => {
    await put('a.yaml', text('a', '1'));
    await open();
    await put('a.yaml', 'name: a\nsteps: nothing\n');
    await changed(({ problems }) => problems.length > 0);
    expect(echoOf('a')).toBe(1);
    expect(folder?.problems()).toEqual([expect.objectContaining({ line: 2, column: 8 })]);

    await put('a.yaml', text('a', '4'));
    await changed(({ problems }) => problems.length === 0);
    expect(echoOf('a')).toBe(4);
  });

  it('serves the first of two files with one template name, and says so', async () => {
    await put('1.yaml', text('a', '1'));
    await put('2.yaml', text('a', '2'));
    const { problems } = await open();
    expect(echoOf('a')).toBe(1);
    expect(problems()).toEqual([
      expect.objectContaining({
        file: 'templates/2.yaml',
        message: expect.stringMatching(/names are unique/),
      }),
    ]);
  });

  it('takes over no template whose steps submit what is not there, and serves what it had of it', async () => {
    const submits = (name: string, child: string): string =>
      `name: ${name}\nsteps:\n  - { id: a, type: task, with: { template: ${child} } }\n`;
    await put('b.yaml', submits('b', 'c'));
    await put('c.yaml', text('c', '1'));
    await put('d.yaml', submits('d', 'cc'));
    const { list, get, problems } = await open();
    expect(list().map(({ name }) => name)).toEqual(['b', 'c']);
    expect(problems()).toMatchObject([
      {
        file: 'templates/d.yaml',
        line: 3,
        path: 'steps[0].with.template',
        message: "steps[0].with.template: 'cc' is not a template here; accepted: b, c",
      },
    ]);
    await put('c.yaml', submits('c', 'b'));
    await changed(({ problems: found }) => found.length > 1);
    expect(echoOf('c')).toBe(1);
    expect(problems().map(({ file, message }) => [file, message.slice(0, 65)])).toEqual([
      ['templates/b.yaml', 'steps[0].with.template: templates submit each other: b → c → b, w'],
      ['templates/c.yaml', 'steps[0].with.template: templates submit each other: c → b → c, w'],
      ['templates/d.yaml', expect.anything()],
    ]);
    await put('d.yaml', submits('d', 'gone@7'));
    await changed(({ changed: names }) => names.some((name) => name.startsWith('d@')));
    expect(get('d')).toBeDefined();
  });

  it('follows a link inside, and none that leads out', async () => {
    await writeFile(join(root, 'secret.yaml'), text('secret', '1'));
    await mkdir(join(directory, 'versions'));
    await put('versions/a.yaml', text('a', '1'));
    await symlink(join('versions', 'a.yaml'), join(directory, 'a.yaml'));
    await symlink(join('..', 'secret.yaml'), join(directory, 'secret.yaml'));
    const { list, problems } = await open();
    expect(list().map(({ name }) => name)).toEqual(['a']);
    expect(problems()).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/link leads to .*secret\.yaml'; accepted/) }),
    ]);
  });

  it('reads no file that is too large and no folder', async () => {
    await put('large.yaml', `# ${'x'.repeat(262_144)}\n`);
    await mkdir(join(directory, 'folder.yaml'));
    const { problems } = await open();
    expect(problems().map(({ message }) => message)).toEqual([
      expect.stringMatching(/no file/),
      expect.stringMatching(/262147 bytes; accepted: up to 262144/),
    ]);
  });

  it('reads a thousand files and no more', async () => {
    for (let n = 0; n <= 1000; n += 1) await put(`t${String(n).padStart(4, '0')}.yaml`, text(`t${n}`, '1'));
    const { list, problems } = await open();
    expect(list()).toHaveLength(1000);
    expect(problems()).toEqual([expect.objectContaining({ file: 'templates/t1000.yaml' })]);
  });
});
