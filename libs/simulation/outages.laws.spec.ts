import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { llamaSwap } from '#libs/simulation/baselines/llama-swap.js';
import { ollamaFifo } from '#libs/simulation/baselines/ollama-fifo.js';
import { smartProxy } from '#libs/simulation/baselines/smart-proxy.js';
import { staticPriority } from '#libs/simulation/baselines/static-priority.js';
import { conductor } from '#libs/simulation/conductor/conductor.js';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import { vramBytesOf, type Hardware } from '#libs/simulation/hardware.js';
import { certainOf, impossibilities, judgeRun } from '#libs/simulation/judge-run.js';
import { MODELS } from '#libs/simulation/models.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import type { Outage, SimTask, Trace } from '#libs/simulation/trace.js';

const SCHEDULERS = [
  conductor('ours', DEFAULT_POLICY, 1),
  conductor('on-ollama', DEFAULT_POLICY),
  llamaSwap,
  ollamaFifo(1),
  ollamaFifo(4),
  ollamaFifo(4, 'fixed'),
  staticPriority,
  smartProxy,
];
const CANDIDATES = [MODELS.llama1b, MODELS.qwen7b, MODELS.llama8b, MODELS.gemma9b, MODELS.qwen14b];

const drafts = fc.array(
  fc.record({
    atMs: fc.nat(60_000),
    model: fc.nat(CANDIDATES.length - 1),
    promptTokens: fc.integer({ min: 1, max: 4_000 }),
    outputTokens: fc.integer({ min: 1, max: 500 }),
    needs: fc.option(fc.nat(5), { freq: 3 }),
  }),
  { minLength: 1, maxLength: 20, size: 'max' },
);

const outages = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('death' as const),
      server: fc.nat(3),
      during: fc.constantFrom('load' as const, 'request' as const),
      fromMs: fc.nat(60_000),
      forMs: fc.nat(20_000),
      downMs: fc.integer({ min: 1, max: 60_000 }),
    }),
    fc.record({
      kind: fc.constant('slow-unload' as const),
      server: fc.nat(3),
      fromMs: fc.nat(60_000),
      lastsMs: fc.option(fc.nat(100_000)),
      restartAfterMs: fc.nat(80_000),
      restartMs: fc.integer({ min: 1, max: 10_000 }),
    }),
  ),
  { minLength: 1, maxLength: 4 },
);

type Draft = typeof outages extends fc.Arbitrary<infer Many> ? Many : never;

/** On the servers that there are. */
const outagesOn = ({ servers }: Hardware, some: Draft): readonly Outage[] =>
  some.map((one): Outage => {
    const server = one.server % servers.length;
    if (one.kind === 'slow-unload') return { ...one, server };
    const { forMs, ...death } = one;
    return { ...death, server, byMs: death.fromMs + forMs };
  });

const cases = fc
  .record({
    hardware: fc.constantFrom(...hardwarePresets(2), ...hardwarePresets(4)),
    seed: fc.nat(1_000),
    drafts,
    outages,
  })
  .map(({ hardware, seed, ...drawn }) => {
    const models = CANDIDATES.filter((model) =>
      hardware.servers.some(({ gpu, slots }) => vramBytesOf(model, slots) <= gpu.vramBytes),
    );
    const tasks = drawn.drafts
      .toSorted((a, b) => a.atMs - b.atMs)
      .map(({ needs, ...draft }, place): SimTask => ({
        ...draft,
        id: `t${place}`,
        workspace: 'home',
        priority: 5,
        model: (models[draft.model % models.length] ?? MODELS.llama1b).model,
        outputTokensMax: 512,
        after: needs === null || needs >= place ? [] : [`t${needs}`],
        deadlineMs: null,
      }));
    const trace: Trace = {
      name: 'random',
      kind: 'open',
      seed,
      models,
      workspaces: [{ name: 'home', weight: 1 }],
      tasks,
      outages: outagesOn(hardware, drawn.outages),
    };
    return { trace, hardware };
  });

describe('whatever goes wrong with the servers', () => {
  it('each task is done once, nobody beats the bounds, nothing is overcommitted, and no promise is broken that holds', () => {
    const seen = { deaths: 0, repeated: 0 };
    fc.assert(
      fc.property(cases, ({ trace, hardware }) => {
        const certain = certainOf(trace, hardware);
        for (const scheduler of SCHEDULERS) {
          const record = scheduler.run(trace, hardware);
          const judged = judgeRun(record, trace, hardware, certain, DEFAULT_POLICY.fairQuantumMs);
          expect([scheduler.name, impossibilities(judged, record, trace)]).toEqual([scheduler.name, []]);
          expect([scheduler.name, judged.overcommits, judged.overBound]).toEqual([scheduler.name, 0, 0]);
          seen.deaths += judged.deaths;
          if (judged.repeatedS > 0) seen.repeated += 1;
        }
      }),
      { numRuns: 100 },
    );
    // These are no runs in which nothing happens.
    expect(seen.deaths).toBeGreaterThan(800);
    expect(seen.repeated).toBeGreaterThan(80);
  });

  it('the same happens again with the same seed', () =>
    fc.assert(
      fc.property(cases, ({ trace, hardware }) => {
        for (const scheduler of SCHEDULERS)
          expect(scheduler.run(trace, hardware)).toEqual(scheduler.run(trace, hardware));
      }),
      { numRuns: 20 },
    ));
});
