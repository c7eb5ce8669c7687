import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { CPU, NOW, stepSpec, submitted } from '#libs/testing/builders.js';
import { StepBench } from './step-bench.js';

let bench: StepBench;

beforeAll(async () => {
  bench = await StepBench.start();
});

afterAll(async () => {
  await bench?.stop();
});

const writing = { path: 'made', text: 'x' };

const fileTask = (taskId: string, more: Partial<Parameters<typeof submitted>[0]> = {}): TaskEvent =>
  submitted({
    taskId,
    steps: [
      stepSpec('make', { stepType: 'write_file' }),
      stepSpec('think', { stepType: 'noop', needs: ['make'] }),
      stepSpec('use', { stepType: 'read_files', needs: ['think'] }),
    ],
    ...more,
  });

const completed = (taskId: string, stepId: string, leaseId: string): TaskEvent => ({
  type: 'step.completed',
  taskId,
  step: { stepId, attempt: 1, leaseId, serverId: 'cpu', output: null, startedAt: NOW, endedAt: NOW },
});

const cancelled = (taskId: string): TaskEvent => ({
  type: 'task.cancelled',
  taskId,
  reason: 'test',
  stopped: [],
  at: NOW,
});

/** Until the folder of a task is gone: a condition, looked at again and again. */
const gone = async (folder: string): Promise<void> => {
  while (existsSync(folder)) await new Promise((resolve) => setImmediate(resolve));
};

describe('the workspace of a task', () => {
  it('is shared by its steps and by no others', async () => {
    await bench.tell(fileTask('shared'));
    const attempt = bench.attempt('write_file', writing, { taskId: 'shared', stepId: 'make' });
    expect(await bench.run('write_file', writing, { attempt })).toMatchObject({ kind: 'completed' });
    await bench.tell(completed('shared', 'make', attempt.dispatch.lease.leaseId));
    const read = { paths: ['made'] };
    expect(await bench.run('read_files', read, { taskId: 'shared', stepId: 'use' })).toMatchObject({
      kind: 'completed',
    });
    expect(await bench.run('read_files', read)).toMatchObject({ failure: { code: 'FILE_NOT_FOUND' } });
    expect(await readdir(join(bench.files('shared'), '..', 'attempts'))).toEqual([]);
  });

  it('is removed when the task is over, also where a script has closed folders to their owner', async () => {
    await bench.tell(fileTask('over'));
    await bench.run('write_file', { path: 'a/b/c', text: 'x' }, { taskId: 'over', stepId: 'make' });
    await chmod(join(bench.files('over'), 'a', 'b'), 0);
    await bench.tell(cancelled('over'));
    await gone(join(bench.files('over'), '..'));
  });

  it('stays while an attempt of the task runs, and goes with its end', async () => {
    await bench.tell(fileTask('busy'));
    const open = await bench.workspaces.open(
      bench.attempt('write_file', writing, { taskId: 'busy', stepId: 'make' }).dispatch,
    );
    await bench.tell(cancelled('busy'));
    await bench.tell(fileTask('other'));
    await bench.run('write_file', writing, { taskId: 'other', stepId: 'make' });
    await bench.tell(cancelled('other'));
    await gone(join(bench.files('other'), '..'));
    expect(existsSync(open.files)).toBe(true);
    await open.close(true);
    await gone(join(bench.files('busy'), '..'));
  });

  it('that another executor has filled is not taken for an empty one', async () => {
    await bench.tell(fileTask('away'));
    await bench.tell(completed('away', 'make', 'lease-of-another-executor'));
    expect(
      await bench.run('read_files', { paths: ['made'] }, { taskId: 'away', stepId: 'use' }),
    ).toMatchObject({
      failure: {
        code: 'WORKSPACE_ELSEWHERE',
        message: expect.stringContaining("needs files of step 'make'"),
      },
    });
    // A step that needs none of them runs anywhere.
    expect(await bench.run('write_file', writing, { taskId: 'away', stepId: 'make' })).toMatchObject({
      kind: 'completed',
    });
  });

  it('of a task that was over is not there for a rerun from the middle', async () => {
    await bench.tell(fileTask('again', { rerunOf: 'old', kept: [{ stepId: 'make', output: null }] }));
    expect(
      await bench.run('read_files', { paths: ['made'] }, { taskId: 'again', stepId: 'use' }),
    ).toMatchObject({
      failure: { code: 'WORKSPACE_GONE', message: expect.stringContaining("Run again from 'make'") },
    });
  });

  it('holds no more than its limit, by bytes and by entries', async () => {
    const small = await StepBench.start({ ORCHESTRA_WORKSPACE_MAX_BYTES: String(1024 * 1024) });
    const text = 'x'.repeat(400_000);
    await small.run('write_file', { path: '1', text });
    await small.run('write_file', { path: '2', text });
    expect(await small.run('write_file', { path: '3', text })).toMatchObject({
      failure: { code: 'WORKSPACE_FULL', message: expect.stringContaining('1048576 bytes') },
    });
    await Promise.all(
      Array.from({ length: 256 }, async (_, n) => await writeFile(join(small.files(), `empty-${n}`), '')),
    );
    expect(await small.run('write_file', { path: '4', text: '' })).toMatchObject({
      failure: { code: 'WORKSPACE_FULL' },
    });
    await small.stop();
  });
});

describe('a new executor on the same folder', () => {
  it('keeps what belongs to open tasks, and removes what belongs to those that are over or that nobody knows', async () => {
    const old = await StepBench.start();
    for (const taskId of ['open', 'ended']) {
      await old.tell(fileTask(taskId));
      await old.run('write_file', writing, { taskId, stepId: 'make' });
    }
    await old.workspaces.stop();
    await mkdir(join(old.folder, 'work', 'unknown', 'files'), { recursive: true });
    await old.tell(cancelled('ended'));
    const next = await StepBench.start({ ORCHESTRA_WORK_DIR: join(old.folder, 'work') }, { log: old.log });
    await next.workspaces.start();
    await gone(join(old.folder, 'work', 'unknown'));
    await gone(join(old.folder, 'work', 'ended'));
    expect(await readdir(join(old.folder, 'work'))).toEqual(['open']);
    expect(await next.run('write_file', writing, { taskId: 'open', stepId: 'make' })).toMatchObject({
      kind: 'completed',
    });
    await next.tell(cancelled('open'));
    await gone(join(old.folder, 'work', 'open'));
    await next.stop();
    await old.stop();
  });
});

describe('a step', () => {
  it('that was cancelled before it began leaves nothing', async () => {
    const attempt = bench.attempt('read_files', { paths: ['made'] });
    attempt.ending = 'cancelled';
    attempt.abort.abort();
    expect(await bench.run('read_files', { paths: ['made'] }, { attempt })).toEqual({
      kind: 'cancelled',
      confirmed: true,
    });
    expect(CPU).toEqual(attempt.dispatch.requirement);
  });
});
