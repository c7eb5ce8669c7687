import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from './api-client.js';
import { orchestra, type Orchestra } from './run-orchestra.js';

/** Whoever starts the platform with a module that is wrong reads so there, and not only in a log. */
let folder: string;
let up: Orchestra;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-plugin-problems-'));
  const plugins = join(folder, 'plugins');
  await mkdir(plugins);
  await cp('examples/plugins/reverse.mjs', join(plugins, 'a.mjs'));
  await cp('examples/plugins/reverse.mjs', join(plugins, 'b.mjs'));
  await writeFile(join(plugins, 'c.mjs'), 'export default {};');
  up = orchestra(['up', '--json', '--port', '0', '--data', join(folder, 'data')], {
    ORCHESTRA_PLUGINS_DIR: plugins,
    ORCHESTRA_PLUGIN_PACKAGES: 'no-such-package-of-anybody',
  });
});

afterAll(async () => {
  up.child.kill('SIGTERM');
  await up.ended;
  await rm(folder, { recursive: true });
});

const PROBLEMS = [
  /b\.mjs: 'acme\.reverse' is a step of .*a\.mjs already/,
  /c\.mjs: the default export has no run; expected/,
  /package 'no-such-package-of-anybody' cannot be found/,
];

it('up and plugins list say which plugins cannot be used', async () => {
  await until(
    () => Promise.resolve((up.stderr().match(/^cannot be used/gm) ?? []).length >= 3 || undefined),
    'the problems to be told',
  );
  for (const problem of PROBLEMS) expect(up.stderr()).toMatch(problem);
  const { api } = JSON.parse(up.stdout()) as { readonly api: string };
  const listed = await orchestra(['plugins'], { ORCHESTRA_URL: api }).ended;
  expect(listed.stdout).toMatch(/^acme\.reverse {2}1\.0\.0/);
  for (const problem of PROBLEMS) expect(listed.stderr).toMatch(problem);
  const json = await orchestra(['plugins', '--json'], { ORCHESTRA_URL: api }).ended;
  expect((JSON.parse(json.stdout) as { readonly problems: object[] }).problems).toHaveLength(3);
  const shown = await orchestra(['plugins', 'check', join(folder, 'plugins', 'c.mjs')]).ended;
  expect(shown).toMatchObject({ code: 1, stderr: expect.stringMatching(PROBLEMS[1] as RegExp) });
});
