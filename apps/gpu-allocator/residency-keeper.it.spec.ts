import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { Failure } from '#libs/domain/errors.js';
import { grantLeases } from '#libs/domain/gpu/decide.js';
import { emptyLedger } from '#libs/domain/gpu/gpu.js';
import { START } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import { systemClock } from '#libs/runtime/clock.js';
import { createLogger } from '#libs/runtime/logger.js';
import { gib, NOW, profileOf, serverUp } from '#libs/testing/builders.js';
import {
  startOllamaSimulator,
  type OllamaSimulator,
} from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { Recorder } from './recorder.js';
import { ResidencyKeeper } from './residency-keeper.js';

const [SMALL, MIDDLE, LARGE] = ['llama3.2:1b', 'llama3.2:3b', 'qwen2.5:7b'].map((model) =>
  profileOf(model, 2048),
) as [ReturnType<typeof profileOf>, ReturnType<typeof profileOf>, ReturnType<typeof profileOf>];
/** Room for the small and the middle one, or for the large one alone. */
const VRAM_BYTES = gib(8);

describe('the keeper of what is loaded', () => {
  let simulator: OllamaSimulator;
  let log: MemoryEventLog;
  let recorder: Recorder;
  let keeper: ResidencyKeeper;
  let troubles: Failure[];
  let stopping: AbortController;

  const start = async (realVramBytes = VRAM_BYTES): Promise<void> => {
    simulator = await startOllamaSimulator({ vramBytes: realVramBytes, timeScale: 50 });
    log = new MemoryEventLog('LEASES');
    const opening = openingEvent(START, { id: 'log-1', node: 'spec', time: NOW }, (type) =>
      SUBJECTS.allocator(type),
    );
    recorder = new Recorder(await log.openWriter(START, opening), emptyLedger(), systemClock);
    const runner = new OllamaModelRunner({ baseUrl: simulator.url, unloadTimeoutMs: 300 });
    let made = 0;
    keeper = new ResidencyKeeper({
      recorder,
      clock: systemClock,
      runnerOf: () => runner,
      newResidencyId: () => `r${(made += 1)}`,
      onTrouble: (_, failure) => troubles.push(failure),
      logger: createLogger({ service: 'gpu-allocator', instance: 'spec', level: 'silent' }),
      signal: stopping.signal,
    });
    recorder.record(serverUp('gpu1', { url: simulator.url, vramBytes: VRAM_BYTES }));
  };
  const ensure = (profile: typeof SMALL, evict: readonly string[] = []) =>
    keeper.ensure({ serverId: 'gpu1', profile, evict });
  const idle = async (): Promise<void> => {
    while (keeper.isBusy('gpu1')) await new Promise((resolve) => setImmediate(resolve));
  };
  const loadBoth = async (): Promise<void> => {
    for (const profile of [SMALL, MIDDLE]) {
      expect(await ensure(profile)).toEqual({ ok: true });
      await idle();
    }
  };
  const states = (): readonly (readonly [string, string])[] =>
    [...(recorder.ledger.servers.get('gpu1')?.residencies.values() ?? [])].map(
      ({ profile, state }) => [profile.model, state] as const,
    );
  const lastFacts = (count: number): readonly string[] => log.stored.slice(-count).map(({ type }) => type);

  beforeEach(() => {
    troubles = [];
    stopping = new AbortController();
  });
  afterEach(async () => {
    stopping.abort();
    await simulator.stop();
  });

  it('closes all victims at once: none is leased again while another one is unloaded', async () => {
    await start();
    await loadBoth();
    expect(await ensure(LARGE, ['r1', 'r2'])).toEqual({ ok: true });
    expect(states()).toEqual([
      [SMALL.model, 'unloading'],
      [MIDDLE.model, 'unloading'],
    ]);
    const wanted = ['r1', 'r2'].map((residencyId) => ({
      leaseId: `on-${residencyId}`,
      taskId: 't1',
      stepId: 'a',
      attempt: 1,
      serverId: 'gpu1',
      residencyId,
    }));
    const { events, refused } = grantLeases(recorder.ledger, wanted, NOW);
    expect(events).toEqual([]);
    expect(refused.map(({ failure }) => failure.code)).toEqual(['CAPACITY_TAKEN', 'CAPACITY_TAKEN']);
    await idle();
    expect(states()).toEqual([[LARGE.model, 'loaded']]);
    expect(simulator.state()).toMatchObject({ loads: 3, unloads: 2, loaded: [{ model: LARGE.model }] });
  });

  it('loads only when every victim was seen gone, and says so in that order', async () => {
    await start();
    await loadBoth();
    await ensure(LARGE, ['r1', 'r2']);
    await idle();
    await recorder.record([]).acknowledged();
    expect(lastFacts(6)).toEqual([
      'residency.unload-started',
      'residency.unload-started',
      'residency.unloaded',
      'residency.unloaded',
      'residency.load-started',
      'residency.loaded',
    ]);
    expect(simulator.state().vramUsedMaxBytes).toBeLessThanOrEqual(VRAM_BYTES);
  });

  it('loads nothing beside a victim that stays, keeps its bytes, and suspects the server', async () => {
    await start();
    await loadBoth();
    simulator.setFault({ kind: 'stuck-unload', model: SMALL.model });
    await ensure(LARGE, ['r1', 'r2']);
    await idle();
    expect(states()).toEqual([
      [SMALL.model, 'unloading'],
      [MIDDLE.model, 'unloading'],
    ]);
    expect(recorder.ledger.servers.get('gpu1')).toMatchObject({ state: 'suspect' });
    expect(troubles).toMatchObject([{ code: 'UNLOAD_STUCK' }]);
    expect(simulator.state().loads).toBe(2);
  });

  it('does one thing at a time, however often it is asked', async () => {
    await start();
    const replies = await Promise.all([ensure(SMALL), ensure(SMALL), ensure(MIDDLE)]);
    expect(replies).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
    await idle();
    expect(states()).toEqual([[SMALL.model, 'loaded']]);
    expect(simulator.state().loads).toBe(1);
  });

  it('takes a model out again that went partly to main memory, and tells why', async () => {
    await start(gib(4));
    await ensure(LARGE);
    await idle();
    expect(states()).toEqual([]);
    const failures = [...(recorder.ledger.servers.get('gpu1')?.loadFailures.values() ?? [])];
    expect(failures).toMatchObject([{ count: 1, failure: { code: 'MODEL_SPILLED' } }]);
    expect(simulator.state().loaded).toEqual([]);
  });

  it('refuses a model that is not installed, and makes a fact of it', async () => {
    await start();
    expect(await ensure(profileOf('nobody-has:7b'))).toMatchObject({
      ok: false,
      failure: { code: 'MODEL_NOT_FOUND', message: expect.stringContaining('ollama pull nobody-has:7b') },
    });
    expect(lastFacts(2)).toEqual(['residency.load-started', 'residency.load-failed']);
    expect(troubles).toMatchObject([{ code: 'MODEL_NOT_FOUND' }]);
  });
});
