import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import type { Hardware, SimModel } from '#libs/simulation/hardware.js';
import type { SimTask, Trace } from '#libs/simulation/trace.js';
import { conductor } from './conductor.js';

const GIB = 2 ** 30;

const modelOf = (model: string): SimModel => ({
  model,
  weightBytes: 14 * GIB,
  kvBytesPerToken: 0,
  numCtx: 2_048,
});
/** Only one of them fits into 24 GiB. */
const [A, B] = [modelOf('a'), modelOf('b')];

const HARDWARE: Hardware = {
  name: 'test',
  host: { pageCacheBytes: 100 * GIB, diskBytesPerS: 3e9, warmBytesPerS: 9e9 },
  servers: [
    {
      serverId: 'gpu1',
      gpu: { name: 'test', vramBytes: 24 * GIB, generateTokensPerS: 100, promptTokensPerS: 5_000 },
      slots: 4,
    },
  ],
};

const task = (id: string, { model }: SimModel, atMs: number, after: readonly string[] = []): SimTask => ({
  id,
  atMs,
  workspace: 'w',
  priority: 5,
  model,
  promptTokens: 100,
  outputTokens: 50,
  outputTokensMax: 100,
  after,
  deadlineMs: null,
});

const traceOf = (...tasks: readonly SimTask[]): Trace => ({
  name: 'small',
  kind: 'open',
  seed: 7,
  models: [A, B],
  workspaces: [{ name: 'w', weight: 1 }],
  tasks,
});

const run = (trace: Trace) => conductor('own', DEFAULT_POLICY).run(trace, HARDWARE);

describe('the own scheduling on a trace', () => {
  const trace = traceOf(task('a1', A, 0), task('b1', B, 10), task('a2', A, 20), task('b2', B, 20, ['a1']));

  it('ends every task, each in its order, and loads each model once', () => {
    const record = run(trace);
    const byId = new Map(record.tasks.map((each) => [each.id, each]));
    expect([...byId.keys()].toSorted()).toEqual(['a1', 'a2', 'b1', 'b2']);
    expect(record).toMatchObject({ scheduler: 'own', loads: 2, overcommits: 0 });
    expect(byId.get('b2')?.readyAtMs).toBe(byId.get('a1')?.endedAtMs);
    for (const { startedAtMs, readyAtMs } of record.tasks)
      expect(startedAtMs).toBeGreaterThanOrEqual(readyAtMs);
  });

  it('starts each by the moment that it was promised', () => {
    for (const { id, startedAtMs, startBoundMs } of run(trace).tasks) {
      expect([id, startBoundMs]).toEqual([id, expect.any(Number)]);
      expect(startedAtMs).toBeLessThanOrEqual(startBoundMs ?? 0);
    }
  });

  it('has the next model loaded when the one before ends, where there is room for both', () => {
    const small = [A, B].map((model) => ({ ...model, weightBytes: 7 * GIB }));
    // So long that the load can be over before; what is usual is known from the first one.
    const long = { outputTokens: 2_000, outputTokensMax: 2_000 };
    const { tasks } = run({
      ...traceOf(
        { ...task('a0', A, 0), ...long },
        { ...task('a1', A, 0), ...long, after: ['a0'] },
        task('b1', B, 0, ['a1']),
      ),
      models: small,
    });
    const byId = new Map(tasks.map((each) => [each.id, each]));
    expect(byId.get('b1')?.startedAtMs).toBe(byId.get('a1')?.endedAtMs);
  });

  it('makes the same of the same seed', () => expect(run(trace)).toEqual(run(trace)));

  it('says which task it cannot place', () =>
    expect(() => run(traceOf({ ...task('x', A, 0), model: 'c' }))).toThrow(
      "task 'x' names 'c', which 'small' lacks",
    ));
});
