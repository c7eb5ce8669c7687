import { describe, expect, it } from '@jest/globals';
import { gpuBusyShare, makespanMs, waitsByPriority, waitsOf } from './metrics.js';
import type { RunRecord, TaskRun } from './run-record.js';
import type { SimTask, Trace } from './trace.js';

const run = (id: string, readyAtMs: number, startedAtMs: number, endedAtMs: number): TaskRun => ({
  id,
  serverId: 'gpu1',
  readyAtMs,
  startedAtMs,
  endedAtMs,
  startBoundMs: null,
  predictedMs: null,
});

const recordOf = (...tasks: readonly TaskRun[]): RunRecord => ({
  scheduler: 'test',
  tasks,
  loads: 0,
  overcommits: 0,
  busyMs: new Map([
    ['gpu1', 600],
    ['gpu2', 200],
  ]),
});

describe('metrics of a run', () => {
  it('takes the makespan from the start of the trace', () => {
    expect(makespanMs(recordOf(run('a', 100, 200, 1_000), run('b', 0, 0, 900)))).toBe(1_000);
  });

  it('takes percentiles by nearest rank', () => {
    const tasks = Array.from({ length: 200 }, (_, index) => run(`t${index}`, 10, 11 + index, 500));
    expect(waitsOf(tasks)).toEqual({ tasks: 200, p50: 100, p95: 190, p99: 198, max: 200 });
    expect(waitsOf([])).toEqual({ tasks: 0, p50: 0, p95: 0, p99: 0, max: 0 });
  });

  it('keeps priorities apart', () => {
    const task = (id: string, priority: number): SimTask => ({
      id,
      priority,
      atMs: 0,
      workspace: 'w',
      model: 'm',
      promptTokens: 1,
      outputTokens: 1,
      outputTokensMax: 1,
      after: [],
      deadlineMs: null,
    });
    const tasks = [task('a', 1), task('b', 9), task('c', 9)];
    const trace: Trace = { name: 't', kind: 'batch', seed: 1, models: [], workspaces: [], tasks };
    const waits = waitsByPriority(
      recordOf(run('a', 0, 50, 60), run('b', 0, 10, 20), run('c', 5, 25, 30)),
      trace,
    );
    expect([...waits].map(([priority, { tasks: count, max }]) => [priority, count, max])).toEqual([
      [9, 2, 20],
      [1, 1, 50],
    ]);
  });

  it('takes the busy share over all servers', () => {
    expect(gpuBusyShare(recordOf(run('a', 0, 0, 1_000)))).toBe(0.4);
    expect(gpuBusyShare(recordOf())).toBe(0);
  });
});
