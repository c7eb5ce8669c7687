import { describe, expect, it } from '@jest/globals';
import type { Hardware } from './hardware.js';
import { MODELS } from './models.js';
import { hardwarePresets } from './presets.js';
import { runTrace, serversThatHold, type World } from './run-trace.js';
import type { SimTask, Trace } from './trace.js';

const preset = (name: string): Hardware => {
  const found = hardwarePresets().find((each) => each.name === name);
  if (found === undefined) throw new Error(`no preset '${name}'`);
  return found;
};

const task = (id: string, atMs: number, after: readonly string[] = [], model = 'llama3.1:8b'): SimTask => ({
  id,
  atMs,
  after,
  model,
  workspace: 'w',
  priority: 5,
  promptTokens: 100,
  outputTokens: 10,
  outputTokensMax: 20,
  deadlineMs: null,
});

const traceOf = (...tasks: readonly SimTask[]): Trace => ({
  name: 'three',
  kind: 'open',
  seed: 7,
  models: [MODELS.llama8b],
  workspaces: [{ name: 'w', weight: 1 }],
  tasks,
});

/** Loads the one model with the first task, promises a start within a minute, and starts what comes. */
const simple = ({ clock, servers, workload, modelOf }: World): ((submitted: SimTask) => void) => {
  const waiting: (() => void)[] = [];
  const [server] = servers;
  return (submitted) => {
    const model = modelOf(submitted);
    workload.promise(submitted.id, clock.nowMs + 60_000);
    waiting.push(() =>
      server?.start(model.model, submitted, {
        onStarted: () => workload.started(submitted.id),
        onDone: () => workload.ended(submitted.id, server.serverId),
      }),
    );
    const startAll = (): void => {
      for (const start of waiting.splice(0)) start();
    };
    const state = server?.resident(model.model)?.state;
    if (state === 'loaded') startAll();
    else if (state === undefined) server?.load(model, startAll);
  };
};

describe('a run of a trace', () => {
  it('submits a task when its time has come and what it needs is done', () => {
    const trace = traceOf(task('a', 1_000), task('b', 1_500, ['a']), task('c', 60_000, ['a', 'b']));
    const record = runTrace('simple', trace, preset('1x24'), simple);
    const [a, b, c] = record.tasks;
    expect(record.tasks.map(({ id, readyAtMs }) => [id, readyAtMs])).toEqual([
      ['a', 1_000],
      ['b', a?.endedAtMs],
      ['c', 60_000],
    ]);
    expect(record.tasks.map(({ readyAtMs, startBoundMs }) => (startBoundMs ?? 0) - readyAtMs)).toEqual([
      60_000, 60_000, 60_000,
    ]);
    expect([b?.startedAtMs, c?.startedAtMs]).toEqual([b?.readyAtMs, 60_000]);
    // Three times 100 tokens read at 6,899 per second, and 10 generated at 127.7.
    expect(record.busyMs.get('gpu1')).toBeCloseTo(3 * (100 / 6_899 + 10 / 127.7) * 1_000, 3);
    expect(record).toMatchObject({ scheduler: 'simple', loads: 1, overcommits: 0 });
  });

  it('fails when a task has not ended, and names it', () => {
    expect(() =>
      runTrace('idle', traceOf(task('a', 0), task('b', 0)), preset('1x24'), () => () => {}),
    ).toThrow("'idle' on 'three' with seed 7: 2 tasks have not ended, the first is 'a' — expected all 2");
  });

  it('refuses an end without a start, and a model that the trace does not have', () => {
    const endOnly =
      ({ workload }: World) =>
      (submitted: SimTask) =>
        workload.ended(submitted.id, 'gpu1');
    expect(() => runTrace('endOnly', traceOf(task('a', 5)), preset('1x24'), endOnly)).toThrow(
      "end of 'a' at 5 ms — expected it ready and started",
    );
    expect(() => runTrace('simple', traceOf(task('a', 0, [], 'nope')), preset('1x24'), simple)).toThrow(
      "task 'a' of 'three': model 'nope' — expected one of llama3.1:8b",
    );
  });

  it('knows which servers can hold a model', () => {
    const able = (name: string): readonly string[] => {
      let found: readonly string[] = [];
      runTrace('look', traceOf(), preset(name), ({ servers }) => {
        found = serversThatHold(servers, MODELS.phi14b).map(({ serverId }) => serverId);
        return () => {};
      });
      return found;
    };
    // 8.43 GiB and four times 1.56 GiB of cache.
    expect([able('24+12'), able('2x24')]).toEqual([['gpu1'], ['gpu1', 'gpu2']]);
  });
});
