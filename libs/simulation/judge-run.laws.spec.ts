import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { llamaSwap } from '#libs/simulation/baselines/llama-swap.js';
import { ollamaFifo } from '#libs/simulation/baselines/ollama-fifo.js';
import { conductor } from '#libs/simulation/conductor/conductor.js';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import { vramBytesOf } from '#libs/simulation/hardware.js';
import { certainOf, impossibilities, judgeRun } from '#libs/simulation/judge-run.js';
import { MODELS } from '#libs/simulation/models.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import type { RunRecord } from '#libs/simulation/run-record.js';
import type { SimTask, Trace } from '#libs/simulation/trace.js';

const SCHEDULERS = [
  conductor('ours', DEFAULT_POLICY, { besideShare: 1 }),
  conductor('on-ollama', DEFAULT_POLICY),
  llamaSwap,
  ollamaFifo(1, 'asShipped'),
];
const CANDIDATES = [MODELS.llama1b, MODELS.qwen7b, MODELS.llama8b, MODELS.gemma9b, MODELS.qwen14b];

const cases = fc
  .record({
    hardware: fc.constantFrom(...hardwarePresets(2), ...hardwarePresets(4)),
    seed: fc.nat(1_000),
    drafts: fc.array(
      fc.record({
        atMs: fc.oneof(fc.constant(0), fc.nat(60_000)),
        model: fc.nat(CANDIDATES.length - 1),
        promptTokens: fc.integer({ min: 1, max: 4_000 }),
        outputTokens: fc.integer({ min: 1, max: 500 }),
        needs: fc.option(fc.nat(5), { freq: 2 }),
        dueMs: fc.option(fc.nat(60_000)),
      }),
      { minLength: 1, maxLength: 14, size: 'max' },
    ),
  })
  .map(({ hardware, seed, drafts }) => {
    const models = CANDIDATES.filter((model) =>
      hardware.servers.some(({ gpu, slots }) => vramBytesOf(model, slots) <= gpu.vramBytes),
    );
    const inOrder = drafts.toSorted((a, b) => a.atMs - b.atMs);
    const tasks = inOrder.map((draft, place): SimTask => ({
      id: `t${place}`,
      atMs: draft.atMs,
      workspace: 'home',
      priority: 5,
      model: (models[draft.model % models.length] ?? MODELS.llama1b).model,
      promptTokens: draft.promptTokens,
      outputTokens: draft.outputTokens,
      outputTokensMax: 512,
      after: draft.needs === null || draft.needs >= place ? [] : [`t${draft.needs}`],
      deadlineMs: draft.dueMs === null ? null : draft.atMs + draft.dueMs,
    }));
    const trace: Trace = {
      name: 'random',
      kind: 'open',
      seed,
      models,
      workspaces: [{ name: 'home', weight: 1 }],
      tasks,
    };
    return { trace, hardware };
  });

describe('the bounds', () => {
  it('are beaten by nobody, whatever is to be done on whatever machine', () => {
    fc.assert(
      fc.property(cases, ({ trace, hardware }) => {
        const certain = certainOf(trace, hardware);
        for (const scheduler of SCHEDULERS) {
          const record = scheduler.run(trace, hardware);
          const judged = judgeRun(record, trace, hardware, certain, DEFAULT_POLICY.fairQuantumMs);
          expect([scheduler.name, impossibilities(judged, record, trace)]).toEqual([scheduler.name, []]);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('of the makespan and the loads do not fall when there is more to do', () => {
    fc.assert(
      fc.property(cases, ({ trace, hardware }) => {
        // A further model could share a server with one that had it for itself; its load would hide behind work then.
        const used = new Set(trace.tasks.slice(0, -1).map(({ model }) => model));
        fc.pre(used.has(trace.tasks.at(-1)?.model ?? ''));
        const fewer = certainOf({ ...trace, tasks: trace.tasks.slice(0, -1) }, hardware);
        const all = certainOf(trace, hardware);
        expect(all.makespanMs).toBeGreaterThanOrEqual(fewer.makespanMs);
        expect(all.loads).toBeGreaterThanOrEqual(fewer.loads);
      }),
      { numRuns: 100 },
    );
  });

  it('are what one task takes on one machine that has nothing else to do', () => {
    const [hardware] = hardwarePresets(1);
    if (hardware === undefined) throw new Error('there is no machine');
    const [[sample]] = [fc.sample(cases, { numRuns: 1, seed: 1 })];
    if (sample === undefined) throw new Error('there is no case');
    const task = {
      ...sample.trace.tasks[0],
      model: MODELS.llama8b.model,
      after: [],
      atMs: 0,
      deadlineMs: null,
    } as SimTask;
    const trace: Trace = { ...sample.trace, models: [MODELS.llama8b], tasks: [task] };
    const record = conductor('ours', DEFAULT_POLICY).run(trace, hardware);
    const { percentOfBound } = judgeRun(record, trace, hardware, certainOf(trace, hardware), 1);
    // Only the start of the runner is drawn by chance: half a second at least, and one and a half at most.
    expect(percentOfBound).toBeLessThanOrEqual(100);
    expect(record.tasks[0]?.endedAtMs).toBeLessThanOrEqual(certainOf(trace, hardware).makespanMs + 1_000);
  });
});

describe('what cannot be', () => {
  const [hardware] = hardwarePresets(4);
  const trace: Trace = {
    name: 'two',
    kind: 'batch',
    seed: 1,
    models: [MODELS.llama8b],
    workspaces: [{ name: 'home', weight: 1 }],
    tasks: ['t0', 't1'].map((id, place) => ({
      id,
      atMs: 0,
      workspace: 'home',
      priority: 5,
      model: MODELS.llama8b.model,
      promptTokens: 100,
      outputTokens: 200,
      outputTokensMax: 512,
      after: place === 0 ? [] : ['t0'],
      deadlineMs: 60_000,
    })),
  };
  const found = (change: (record: RunRecord) => RunRecord): readonly string[] => {
    if (hardware === undefined) throw new Error('there is no machine');
    const record = change(conductor('ours', DEFAULT_POLICY).run(trace, hardware));
    const judged = judgeRun(record, trace, hardware, certainOf(trace, hardware), 1);
    return impossibilities(judged, record, trace);
  };

  it('is not found in a run that was simulated rightly', () => expect(found((record) => record)).toEqual([]));

  it.each<{
    readonly what: string;
    readonly change: (record: RunRecord) => RunRecord;
    readonly says: RegExp;
  }>([
    {
      what: 'an end before the lower bound',
      change: (record) => ({
        ...record,
        tasks: record.tasks.map((run, n) => ({ ...run, startedAtMs: n, endedAtMs: n + 1 })),
      }),
      says: /sooner than the lower bound/,
    },
    { what: 'no load at all', change: (record) => ({ ...record, loads: 0 }), says: /0 loads, fewer than 1/ },
    {
      what: 'a task that is missing',
      change: (record) => ({ ...record, tasks: record.tasks.slice(0, 1) }),
      says: /1 runs of 2 tasks/,
    },
    {
      what: 'a start before what it needs',
      change: (record) => ({
        ...record,
        tasks: record.tasks.map((run) => (run.id === 't1' ? { ...run, startedAtMs: 0 } : run)),
      }),
      says: /t1 starts before/,
    },
  ])('is found: $what', ({ change, says }) => expect(found(change).join('; ')).toMatch(says));
});
