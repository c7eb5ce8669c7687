import { describe, expect, it } from '@jest/globals';
import type { ToWorker } from '#libs/contracts/plugin-wire.js';
import type { PluginWorker } from '#libs/plugins/worker-directory.js';
import type { StepContext } from '../step-runner.js';
import { WireRun } from './wire-run.js';

/** Longer than any of these takes: none of them ends by it. */
const ACCEPT_MS = 60_000;
const RUN = 'lease-1.7';

/** A run that was offered to a worker, what the worker was told, and how the run ends. */
const offered = () => {
  const told: ToWorker['kind'][] = [];
  const worker = { worker: 'w1', type: 'acme.counts', heardMs: 1, runs: new Set([RUN]) };
  const abort = new AbortController();
  const run = new WireRun(worker as unknown as PluginWorker, {
    context: { signal: abort.signal } as unknown as StepContext,
    run: RUN,
    outputProblem: () => null,
    tell: ({ kind }) => told.push(kind),
  });
  const hear = (kind: 'accept' | 'complete', output?: unknown): void =>
    run.hear({ worker: 'w1', run: RUN, kind, ...(output === undefined ? {} : { output }) } as never);
  return { run, told, hear, end: run.end(ACCEPT_MS), worker: worker as unknown as PluginWorker };
};

describe('a run whose worker is not heard any more', () => {
  it('is lost with it when the worker had taken it', async () => {
    const { run, hear, end, told } = offered();
    hear('accept');
    run.look(undefined, false);
    await expect(end).rejects.toMatchObject({ code: 'PLUGIN_LOST' });
    expect(told).toEqual([]);
  });

  it('is for another one when the worker had not, and this one is not to begin it any more', async () => {
    const { run, end, told } = offered();
    run.look(undefined, false);
    expect(await end).toBeNull();
    expect(told).toEqual(['cancel']);
  });
});

describe('a run whose worker goes on saying hello', () => {
  it('is lost when it is missing from two hellos, and not when from one', async () => {
    const { run, hear, end, worker } = offered();
    hear('accept');
    run.look({ ...worker, heardMs: 2, runs: new Set() }, false);
    run.look({ ...worker, heardMs: 3 }, false);
    run.look({ ...worker, heardMs: 4, runs: new Set() }, false);
    run.look({ ...worker, heardMs: 4, runs: new Set() }, false);
    hear('complete', { words: 3 });
    expect(await end).toEqual({ output: { words: 3 } });
    const other = offered();
    other.hear('accept');
    other.run.look({ ...worker, heardMs: 2, runs: new Set() }, false);
    other.run.look({ ...worker, heardMs: 3, runs: new Set() }, false);
    await expect(other.end).rejects.toMatchObject({ code: 'PLUGIN_LOST' });
  });
});
