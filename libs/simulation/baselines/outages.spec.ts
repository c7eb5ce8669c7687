import { describe, expect, it } from '@jest/globals';
import { gib } from '#libs/testing/builders.js';
import { simHardware, simModel, simServer, simTask, simTrace } from '#libs/testing/simulation-builders.js';
import type { RunRecord, SimScheduler, TaskRun } from '#libs/simulation/run-record.js';
import type { Outage, SimTask, Trace } from '#libs/simulation/trace.js';
import { llamaSwap } from './llama-swap.js';
import { ollamaFifo } from './ollama-fifo.js';
import { smartProxy } from './smart-proxy.js';
import { staticPriority } from './static-priority.js';

const ALL: readonly SimScheduler[] = [ollamaFifo(1), ollamaFifo(4), llamaSwap, staticPriority, smartProxy];

/** Two large ones do not fit together; a small one fits beside one of them. */
const MODELS = [simModel('a', gib(14)), simModel('b', gib(14)), simModel('small', gib(1))];
const ONE = simHardware(simServer('gpu1', { slots: 4 }));
const TWO = simHardware(simServer('gpu1', { slots: 4 }), simServer('gpu2', { slots: 4 }));

const traceOf = (tasks: readonly SimTask[], ...outages: readonly Outage[]): Trace =>
  simTrace(tasks, { kind: 'open', models: MODELS, outages });

const find = ({ tasks }: RunRecord, id: string): TaskRun => {
  const found = tasks.find((run) => run.id === id);
  if (found === undefined) throw new Error(`no task '${id}' in the record`);
  return found;
};

const LONG = { promptTokens: 0, outputTokens: 1_000 };
/** Its one request runs for half a minute by then. */
const death = (server: number, downMs: number, atMs = 30_000): Outage => ({
  kind: 'death',
  server,
  during: 'request',
  fromMs: atMs,
  byMs: atMs,
  downMs,
});

describe.each(ALL)('$name, whose server dies', (scheduler) => {
  it('loses nothing: the request begins again when the only server is back', () => {
    const record = scheduler.run(traceOf([simTask('t', LONG)], death(0, 60_000)), ONE);
    const { firstStartedAtMs = Infinity, startedAtMs } = find(record, 't');
    expect(record).toMatchObject({ deaths: 1, loads: 2 });
    expect(firstStartedAtMs).toBeLessThan(20_000);
    // A new load, half a second and what memory takes, after the return at 90 s.
    expect(startedAtMs).toBeGreaterThanOrEqual(90_500);
    expect(startedAtMs).toBeLessThan(95_000);
    expect(record.repeatedMs).toBeCloseTo(30_000 - firstStartedAtMs, 3);
  });

  it('sends it to the other one a second later, and none to the dead one', () => {
    const where = find(scheduler.run(traceOf([simTask('t', LONG)]), TWO), 't').serverId;
    const more = Array.from({ length: 12 }, (_, n) => simTask(`m${n}`, { atMs: 40_000 + n * 1_000 }));
    const outage = death(where === 'gpu1' ? 0 : 1, 600_000);
    const record = scheduler.run(traceOf([simTask('t', LONG), ...more], outage), TWO);
    expect(record.tasks.map(({ serverId }) => serverId)).not.toContain(where);
    const { startedAtMs } = find(record, 't');
    expect(startedAtMs).toBeGreaterThanOrEqual(31_500);
    expect(startedAtMs).toBeLessThan(36_000);
    expect(record.tasks).toHaveLength(13);
  });

  it('forgets what was loaded or on its way in, and who waited for that', () => {
    const tasks = ['a', 'b', 'a', 'small'].map((model, n) => simTask(`t${n}`, { model, atMs: n }));
    const inLoad: Outage = { ...death(0, 5_000, 0), during: 'load', byMs: 60_000 } as Outage;
    const record = scheduler.run(traceOf(tasks, inLoad), ONE);
    expect(record.tasks.map(({ id }) => id).toSorted()).toEqual(['t0', 't1', 't2', 't3']);
    expect(Math.min(...record.tasks.map(({ startedAtMs }) => startedAtMs))).toBeGreaterThan(5_900);
    expect(record).toMatchObject({ deaths: 1, repeatedMs: 0, overcommits: 0 });
    // The load that was cut off is one more than those of three models.
    expect(record.loads).toBeGreaterThanOrEqual(4);
  });
});

const STUCK: Outage = {
  kind: 'slow-unload',
  server: 0,
  fromMs: 20_000,
  lastsMs: null,
  restartAfterMs: 60_000,
  restartMs: 7_000,
};

/** `a` and `small` are loaded; at 30 s `b` needs the room of `a`, which does not go: at 90 s its operator restarts the server, at 97 s it is back. */
const stuckTasks = [
  simTask('a1', { model: 'a' }),
  simTask('small1', { model: 'small', atMs: 1_000 }),
  simTask('b1', { model: 'b', atMs: 30_000 }),
  simTask('small2', { model: 'small', atMs: 40_000 }),
  simTask('a2', { model: 'a', atMs: 50_000 }),
];

describe('an unload that sticks', () => {
  it.each(ALL)('holds up $name until the server was restarted, and nothing is lost', (scheduler) => {
    const record = scheduler.run(traceOf(stuckTasks, STUCK), ONE);
    expect(record.tasks).toHaveLength(5);
    expect(record.deaths).toBe(1);
    for (const id of ['b1', 'a2']) expect(find(record, id).startedAtMs).toBeGreaterThan(97_500);
  });

  it('lets requests for loaded models go past in Ollama', () => {
    const record = ollamaFifo(4).run(traceOf(stuckTasks, STUCK), ONE);
    expect(find(record, 'small2').startedAtMs).toBe(40_000);
  });

  it('is as if nothing were, once it is over before anybody restarts', () => {
    for (const scheduler of ALL) {
      const record = scheduler.run(traceOf(stuckTasks, { ...STUCK, lastsMs: 40_000 }), ONE);
      expect(record.deaths).toBeUndefined();
      expect(find(record, 'b1').startedAtMs).toBeGreaterThan(70_500);
      expect(find(record, 'b1').startedAtMs).toBeLessThan(90_000);
    }
  });
});

describe('the reactions of each', () => {
  it('llama-swap: a model whose server died is where it was loaded again, not where it was', () => {
    const where = find(llamaSwap.run(traceOf([simTask('t', LONG)]), TWO), 't').serverId;
    const outage = death(where === 'gpu1' ? 0 : 1, 5_000);
    // By then the dead server is back, but the model is on the other one.
    const tasks = [simTask('t', LONG), simTask('later', { atMs: 60_000 })];
    const record = llamaSwap.run(traceOf(tasks, outage), TWO);
    expect(find(record, 'later').serverId).toBe(find(record, 't').serverId);
    expect(record.loads).toBe(2);
  });

  it('a job queue: each failure of a job doubles the time until its next attempt', () => {
    const afterMs = (...deaths: readonly number[]): number => {
      const outages = deaths.map((atMs) => death(0, 200, atMs));
      const { startedAtMs } = find(staticPriority.run(traceOf([simTask('t', LONG)], ...outages), ONE), 't');
      return startedAtMs - Math.max(...deaths);
    };
    // One and two seconds, the start of the runner (0.5 to 1.5 s), and 0.3 s of reading from memory.
    expect(afterMs(30_000)).toBeGreaterThanOrEqual(1_800);
    expect(afterMs(30_000)).toBeLessThanOrEqual(2_810);
    expect(afterMs(30_000, 45_000)).toBeGreaterThanOrEqual(2_800);
    expect(afterMs(30_000, 45_000)).toBeLessThanOrEqual(3_810);
  });

  it('a job queue: who waits keeps its place by priority when a job comes back', () => {
    const tasks = [
      ...Array.from({ length: 4 }, (_, n) => simTask(`first${n}`, { ...LONG, priority: 2 })),
      ...Array.from({ length: 4 }, (_, n) => simTask(`high${n}`, { ...LONG, priority: 9, atMs: 20_000 })),
    ];
    const record = staticPriority.run(traceOf(tasks, death(0, 10_000)), ONE);
    const order = record.tasks
      .toSorted((one, other) => one.startedAtMs - other.startedAtMs)
      .map(({ id }) => id);
    expect(order.slice(0, 4).every((id) => id.startsWith('high'))).toBe(true);
  });

  it('the scoring proxy: its queue dies with it, and all of that is sent again', () => {
    const tasks = Array.from({ length: 30 }, (_, n) => simTask(`t${n}`, { ...LONG, outputTokens: 300 }));
    const record = smartProxy.run(traceOf(tasks, death(0, 600_000)), TWO);
    expect(record.tasks).toHaveLength(30);
    expect(Math.max(...record.tasks.map(({ endedAtMs }) => endedAtMs))).toBeLessThan(600_000);
    const late = record.tasks.filter(({ endedAtMs }) => endedAtMs > 31_000);
    expect(new Set(late.map(({ serverId }) => serverId))).toEqual(new Set(['gpu2']));
  });
});
