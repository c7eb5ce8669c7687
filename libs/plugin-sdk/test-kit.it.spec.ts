import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPlugins } from '#libs/plugins/find-plugins.js';
import { runStep, type TestRunOptions } from './test-kit.js';

const FILE = 'test/fixtures/plugins/troubles.mjs';
const MIB = 1024 * 1024;

const trouble = async (name: string, options: TestRunOptions = {}) =>
  await runStep(FILE, {}, { name: `trouble.${name}`, ...options });

describe('a plugin that goes wrong fails its attempt, and nothing else', () => {
  it.each<[string, string, RegExp, TestRunOptions]>([
    ['memory_hog', 'PLUGIN_OVER_LIMIT', /more memory than the 33554432 bytes/, { memoryMaxBytes: 32 * MIB }],
    ['endless', 'STEP_TIMED_OUT', /took longer than 300 ms/, { timeoutMs: 300 }],
    ['never', 'STEP_TIMED_OUT', /took longer than 300 ms/, { timeoutMs: 300 }],
    ['exits', 'PLUGIN_LOST', /exit code 0/, {}],
    ['ends_silently', 'PLUGIN_LOST', /waits for what cannot come any more/, {}],
    ['waits_for_signal', 'STEP_TIMED_OUT', /took longer than 300 ms/, { timeoutMs: 300 }],
    ['giant', 'OUTPUT_TOO_LARGE', /5000002 bytes; 524288 are allowed/, {}],
    ['wrong', 'PLUGIN_OUTPUT_INVALID', /output\.count: 'many' is not accepted; expected/, {}],
    ['circular', 'PLUGIN_OUTPUT_INVALID', /circular/i, {}],
    ['big_int', 'PLUGIN_OUTPUT_INVALID', /BigInt/, {}],
    ['function', 'PLUGIN_OUTPUT_INVALID', /it is a function/, {}],
    ['rejects', 'PLUGIN_LOST', /nobody heard it/, {}],
    ['throws_uncaught', 'PLUGIN_LOST', /in a timer/, {}],
    ['throws', 'PLUGIN_FAILED', /^it is broken$/, {}],
    ['throws_nothing', 'PLUGIN_FAILED', /undefined/, {}],
    ['refuses', 'PLUGIN_REFUSED', /^never$/, {}],
  ])('%s: %s', async (name, code, message, options) => {
    const { outcome } = await trouble(name, options);
    expect(outcome).toMatchObject({ ok: false, code });
    expect(outcome.ok ? '' : outcome.message).toMatch(message);
  });

  it('counts a result that came before the crash', async () => {
    expect((await trouble('throws_later')).outcome).toEqual({ ok: true, output: 'done' });
  });
});

describe('what a plugin gets', () => {
  it('is no variable of the executor and none of its arguments', async () => {
    process.env['ORCHESTRA_SECRET_OF_TEST'] = 'x';
    const { outcome } = await trouble('environment');
    delete process.env['ORCHESTRA_SECRET_OF_TEST'];
    expect(outcome).toEqual({ ok: true, output: { variables: [], argv: [] } });
  });

  it('is heard by its log and its streams, up to a bound', async () => {
    expect((await trouble('prints')).log.toSorted()).toEqual(['to stderr', 'to stdout']);
    const { log, outcome } = await trouble('talks');
    expect(outcome).toEqual({ ok: true, output: null });
    expect(log).toHaveLength(2_000);
  });

  it('is its attempt and its model, and what it says of how far it is arrives whole', async () => {
    const model = { name: 'llama3.2:3b', url: 'http://127.0.0.1:11434' };
    const { outcome, progress } = await trouble('tells', { attempt: 2, model });
    expect(outcome).toEqual({ ok: true, output: { attempt: 2, model } });
    expect(progress).toEqual([{ message: 'half', completed: 1, total: 2 }, { message: 'nearly' }]);
  });

  it('is found by the address of its module, too', async () => {
    const given = pathToFileURL(FILE);
    for (const file of [given, given.href])
      expect((await runStep(file, {}, { name: 'trouble.throws_later' })).outcome).toMatchObject({ ok: true });
  });

  it('is asked to stop, and ended where it does not', async () => {
    for (const name of ['sleeps', 'waits_for_signal', 'endless']) {
      const abort = new AbortController();
      const run = trouble(name, { signal: abort.signal });
      setTimeout(() => abort.abort(), 100);
      expect((await run).outcome).toMatchObject({ ok: false, code: 'RUN_ABORTED' });
    }
  });
});

describe('finding plugins', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orchestra-plugins-'));
    const step = (name: string) => `export default { name: '${name}', version: '1.0.0', run: () => 1 };`;
    await writeFile(join(folder, 'a.mjs'), step('acme.one'));
    await writeFile(join(folder, 'b.mjs'), step('acme.one'));
    await writeFile(join(folder, 'c.mjs'), step('nodot'));
    await writeFile(join(folder, 'd.mjs'), 'export default 7;');
    await writeFile(join(folder, 'e.mjs'), 'this is no module');
    await writeFile(
      join(folder, 'f.mjs'),
      "export default [{ name: 'acme.f', version: '1', handler() {} }];",
    );
    await writeFile(join(folder, 'g.mjs'), "export default { name: 'acme.g', version: '1', run: 'fast' };");
    await writeFile(join(folder, 'h.mjs'), 'export const step = 1;');
    await writeFile(join(folder, 'notes.txt'), 'not looked at');
  });
  afterAll(async () => await rm(folder, { recursive: true, force: true }));

  it('takes what is right and says what is wrong with the rest', async () => {
    const { plugins, problems } = await findPlugins({ folder, packages: ['no-such-package-of-anybody'] });
    expect([...plugins.keys()]).toEqual(['acme.one']);
    expect(problems).toEqual([
      expect.stringMatching(/b\.mjs: 'acme\.one' is a step of .*a\.mjs already/),
      expect.stringMatching(/c\.mjs: manifest\.name "nodot" is not accepted; expected an owner and a name/),
      expect.stringMatching(/d\.mjs: the default export is no step but of type number; expected an object/),
      expect.stringMatching(/e\.mjs: /),
      expect.stringMatching(/f\.mjs: item 0 of the default export \('acme\.f'\) has no run; expected/),
      expect.stringMatching(/g\.mjs: the default export \('acme\.g'\) has a run that is of type string/),
      expect.stringMatching(/h\.mjs: the module has no default export; expected/),
      expect.stringMatching(/package 'no-such-package-of-anybody' cannot be found/),
    ]);
  });

  it('says so where the folder is not there', async () => {
    const { problems } = await findPlugins({ folder: join(folder, 'none'), packages: [] });
    expect(problems).toEqual([expect.stringMatching(/plugins folder .* cannot be read/)]);
  });
});
