import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runStep } from './test-kit.js';

/** As an author has it: this package in the node_modules of a folder elsewhere, and nothing else of this repository. */
let folder: string;

type Ended = { readonly code: number; readonly said: string };

const tsc = async (args: readonly string[]): Promise<Ended> =>
  await new Promise((ended) => {
    const program = resolve('node_modules/typescript/bin/tsc');
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) =>
      ended({ code: error === null ? 0 : 1, said: stdout + stderr }),
    );
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-author-'));
  const home = join(folder, 'node_modules', 'ai-task-orchestra');
  await mkdir(home, { recursive: true });
  await cp('package.json', join(home, 'package.json'));
  const to = ['--outDir', join(home, 'dist'), '--tsBuildInfoFile', join(folder, 'sdk.tsbuildinfo')];
  expect(await tsc(['-p', 'tsconfig.sdk.json', '--emitDeclarationOnly', 'false', ...to])).toEqual({
    code: 0,
    said: '',
  });
}, 120_000);

afterAll(async () => await rm(folder, { recursive: true, force: true }));

const STEP = `
import { defineStep, FinalError, type StepContext } from 'ai-task-orchestra/plugin-sdk';

type Input = { readonly text: string };

const lengthOf = ({ input }: StepContext<Input>): number => input.text.length;

export default defineStep<Input, { length: number }>({
  name: 'acme.length',
  version: '1.0.0',
  needs: 'cpu',
  run: async (context) => {
    if (context.input.text === '') throw new FinalError('there is no text');
    context.progress('counting', 1, 2);
    context.signal.throwIfAborted();
    // @ts-expect-error there is no such field
    void context.input.txt;
    return { length: lengthOf(context) };
  },
});

// @ts-expect-error a step has a version
defineStep({ name: 'acme.other', run: () => 1 });
`;

const TEST = `
import { runStep, type TestRun } from 'ai-task-orchestra/plugin-sdk/test-kit';

const run: TestRun = await runStep(new URL('./step.ts', import.meta.url), { text: 'a' }, { attempt: 2 });
export const output: unknown = run.outcome.ok ? run.outcome.output : run.outcome.code.toLowerCase();
export const completed: number | undefined = run.progress[0]?.completed;
// @ts-expect-error a number of bytes
await runStep('step.ts', {}, { memoryMaxBytes: '1 GiB' });
`;

describe('the package of an author of step types', () => {
  it('has types for a step and for its test', async () => {
    const files = [join(folder, 'step.mts'), join(folder, 'step.test.mts')];
    await writeFile(files[0] ?? '', STEP);
    await writeFile(files[1] ?? '', TEST);
    const strict = ['--noEmit', '--strict', '--ignoreConfig', '--module', 'nodenext', '--target', 'es2024'];
    const node = ['--types', 'node', '--typeRoots', resolve('node_modules/@types')];
    expect(await tsc([...strict, ...node, ...files])).toEqual({ code: 0, said: '' });
  });

  it('is found by a module that imports it', async () => {
    const file = join(folder, 'final.mjs');
    await writeFile(
      file,
      `import { defineStep, FinalError } from 'ai-task-orchestra/plugin-sdk';
       const run = () => { throw new FinalError('never'); };
       export default defineStep({ name: 'acme.final', version: '1.0.0', run });`,
    );
    expect((await runStep(file, {})).outcome).toMatchObject({ ok: false, code: 'PLUGIN_REFUSED' });
  });
});
