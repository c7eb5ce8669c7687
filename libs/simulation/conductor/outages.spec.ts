import { describe, expect, it } from '@jest/globals';
import { gib } from '#libs/testing/builders.js';
import { auditOf } from '#libs/testing/judged-history.js';
import { simHardware, simModel, simServer, simTask, simTrace } from '#libs/testing/simulation-builders.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import type { Hardware } from '#libs/simulation/hardware.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import type { TaskRun } from '#libs/simulation/run-record.js';
import type { Outage, SimTask, Trace } from '#libs/simulation/trace.js';
import { TRACES } from '#libs/simulation/traces/traces.js';
import { conductor } from './conductor.js';
import { EPOCH_MS } from './epoch.js';

const ONE = simHardware(simServer('gpu1', { slots: 4 }));
const TWO = simHardware(simServer('gpu1', { slots: 4 }), simServer('gpu2', { slots: 4 }));
const MODELS = [simModel('a', gib(14)), simModel('b', gib(14)), simModel('small', gib(1))];
const LONG = { promptTokens: 0, outputTokens: 1_000 };

const traceOf = (tasks: readonly SimTask[], ...outages: readonly Outage[]): Trace =>
  simTrace(tasks, { kind: 'open', models: MODELS, outages });

/** The run, what was recorded of the servers and of failed attempts (seconds, and what happened), and what the audit says. */
const play = (trace: Trace, hardware: Hardware) => {
  const [tasks, leases]: [TaskRecord[], GpuRecord[]] = [[], []];
  const record = conductor('ours', DEFAULT_POLICY, 1, {
    task: (one) => void tasks.push(one),
    lease: (one) => void leases.push(one),
  }).run(trace, hardware);
  const health = leases.flatMap(({ event }) =>
    event.type === 'server.state-changed'
      ? [{ atS: (Date.parse(event.at) - EPOCH_MS) / 1_000, what: `${event.serverId} ${event.state}` }]
      : [],
  );
  const failed = tasks.flatMap(({ event }) =>
    event.type === 'step.failed' ? [`${event.taskId} ${event.step.failure.code} ${event.step.serverId}`] : [],
  );
  const loadsFailed = leases.filter(({ event }) => event.type === 'residency.load-failed').length;
  const find = (id: string): TaskRun => {
    const found = record.tasks.find((run) => run.id === id);
    if (found === undefined) throw new Error(`no task '${id}' in the record`);
    return found;
  };
  return {
    record,
    health: health.slice(hardware.servers.length),
    failed,
    loadsFailed,
    find,
    findings: auditOf(tasks, leases),
  };
};

const death = (more: Partial<Extract<Outage, { kind: 'death' }>> = {}): Outage => ({
  kind: 'death',
  server: 0,
  during: 'request',
  fromMs: 30_000,
  byMs: 30_000,
  downMs: 100_000,
  ...more,
});

describe('the own scheduling, when a server dies', () => {
  it('fails its attempts, tries them elsewhere within seconds, and uses it again when a look has seen it back', () => {
    const where = play(traceOf([simTask('t', LONG)]), TWO).find('t').serverId;
    const server = where === 'gpu1' ? 0 : 1;
    const { health, failed, find, record, findings } = play(
      traceOf([simTask('t', LONG)], death({ server })),
      TWO,
    );
    expect(failed).toEqual([`t SERVER_UNREACHABLE ${where}`]);
    expect(find('t').serverId).not.toBe(where);
    // Half of the second that a template waits at least, and a load from memory.
    expect(find('t').startedAtMs).toBeGreaterThan(31_000);
    expect(find('t').startedAtMs).toBeLessThan(34_000);
    expect(health).toEqual([
      { atS: 30, what: `${where} down` },
      { atS: 132, what: `${where} up` },
    ]);
    expect(record.repeatedMs).toBeCloseTo(30_000 - (find('t').firstStartedAtMs ?? Infinity), 3);
    expect(findings).toEqual([]);
  });

  it('gives the load up that was under way, and begins it again where it can', () => {
    const outage = death({ during: 'load', fromMs: 0, byMs: 60_000 });
    const alone = play(traceOf([simTask('t')], outage), ONE);
    expect(alone).toMatchObject({ loadsFailed: 1, failed: [], findings: [] });
    expect(alone.record).toMatchObject({ loads: 2, deaths: 1 });
    const backAtS = alone.health.at(-1)?.atS ?? Infinity;
    expect(alone.find('t').startedAtMs).toBeGreaterThan(backAtS * 1_000);
    const two = play(traceOf([simTask('t')], outage), TWO);
    expect(two.find('t').startedAtMs).toBeLessThan(20_000);
  });

  it('notices one that nobody uses at its next look, or by the first request that is refused', () => {
    const tasks = [simTask('t')];
    const outage = death({ during: 'load', fromMs: 31_000, byMs: 31_000 });
    expect(play(traceOf(tasks, outage), ONE).health[0]).toEqual({ atS: 33, what: 'gpu1 down' });
    const refused = play(traceOf([...tasks, simTask('next', { atMs: 32_000 })], outage), ONE);
    expect(refused.health[0]).toEqual({ atS: 32, what: 'gpu1 down' });
    expect(refused.failed).toEqual(['next SERVER_UNREACHABLE gpu1']);
    expect(refused.find('next').startedAtMs).toBeGreaterThan(131_000);
    expect(refused.find('next').firstStartedAtMs).toBeUndefined();
    expect(refused.findings).toEqual([]);
  });

  it('sees one that came back before anybody looked without what it held', () => {
    const tasks = [simTask('t'), simTask('next', { atMs: 32_000 })];
    const outage = death({ during: 'load', fromMs: 31_000, byMs: 31_000, downMs: 500 });
    const { failed, record, findings } = play(traceOf(tasks, outage), ONE);
    expect([failed, record.loads, findings]).toEqual([[], 2, []]);
  });
});

describe('the own scheduling, when an unload sticks', () => {
  const stuck = (lastsMs: number | null): Outage => ({
    kind: 'slow-unload',
    server: 0,
    fromMs: 20_000,
    lastsMs,
    restartAfterMs: 600_000,
    restartMs: 10_000,
  });
  const tasks = [
    simTask('a1', { model: 'a' }),
    simTask('b1', { model: 'b', atMs: 30_000 }),
    simTask('b2', { model: 'b', atMs: 100_000 }),
  ];

  it('suspects the server after half a minute, places nothing there, and has it back after its restart', () => {
    const { health, find, record, findings } = play(traceOf(tasks, stuck(null)), ONE);
    expect(health.map(({ what }) => what)).toEqual(['gpu1 suspect', 'gpu1 down', 'gpu1 up']);
    const [suspect, down, up] = health.map(({ atS }) => atS);
    // Nothing runs there, so the next look finds out.
    expect([suspect, down]).toEqual([60, 633]);
    expect(up).toBe(642);
    expect(record.deaths).toBe(1);
    for (const id of ['b1', 'b2']) expect(find(id).startedAtMs).toBeGreaterThan(642_000);
    expect(findings).toEqual([]);
  });

  it('has it back without a restart when everything was unloaded in the end', () => {
    const { health, find, record, findings } = play(traceOf(tasks, stuck(50_000)), ONE);
    expect(health.map(({ what }) => what)).toEqual(['gpu1 suspect', 'gpu1 up']);
    expect(health.map(({ atS }) => atS)).toEqual([60, 80]);
    expect(record.deaths).toBeUndefined();
    expect(find('b1').startedAtMs).toBeGreaterThan(80_000);
    expect(find('b1').startedAtMs).toBeLessThan(90_000);
    expect(findings).toEqual([]);
  });

  it('does the work on the other server meanwhile', () => {
    // One server is idle with `a` when `c` comes; the other one has `b` to do all the time.
    const both = [
      simTask('a1', { model: 'a' }),
      ...Array.from({ length: 60 }, (_, n) => simTask(`b${n}`, { model: 'b', atMs: 500 + n * 3_000 })),
      ...Array.from({ length: 5 }, (_, n) => simTask(`c${n}`, { model: 'c', atMs: 25_000 + n * 10_000 })),
    ].toSorted((one, other) => one.atMs - other.atMs);
    const trace = { ...traceOf(both), models: [...MODELS, simModel('c', gib(14))] };
    const where = play(trace, TWO).find('a1').serverId;
    const outage = { ...stuck(null), server: where === 'gpu1' ? 0 : 1 };
    const { health, record, findings } = play({ ...trace, outages: [outage] }, TWO);
    expect(health[0]?.what).toBe(`${where} suspect`);
    const fromMs = (health[0]?.atS ?? 0) * 1_000;
    expect(fromMs).toBeLessThan(60_000);
    const later = record.tasks.filter(({ startedAtMs }) => startedAtMs > fromMs);
    expect(later.filter(({ id }) => id.startsWith('c'))).toHaveLength(5);
    expect(later.map(({ serverId }) => serverId)).not.toContain(where);
    expect(Math.max(...later.map(({ startedAtMs }) => startedAtMs))).toBeLessThan(300_000);
    expect(findings).toEqual([]);
  });
});

describe('the workload with outages, as the audit sees it', () => {
  it.each(['1x24', '2x24'])('leaves nothing to object to in the log: %s', (name) => {
    const hardware = hardwarePresets().find((preset) => preset.name === name);
    const make = TRACES['outage'];
    if (hardware === undefined || make === undefined) throw new Error('there is no such run');
    const { record, findings } = play(make(hardware, 1), hardware);
    expect(findings).toEqual([]);
    expect(record.deaths).toBe(3);
    expect(record.repeatedMs).toBeGreaterThan(0);
  });
});
