import { describe, expect, it } from '@jest/globals';
import { batchThroughput } from './batching.js';
import { MODELS } from './models.js';
import { hardwarePresets } from './presets.js';
import { between, pick, seededRandom } from './random.js';
import { generateTokensPerS, promptTokensPerS } from './speeds.js';
import { VirtualClock } from './virtual-clock.js';
import { startServers } from './virtual-machine.js';

/** Random requests, some of them aborted, on random models of one GPU. What happened, in order. */
const play = (
  seed: number,
): { readonly log: readonly string[]; readonly busyMs: number; readonly leastMs: number } => {
  const random = seededRandom(seed);
  const hardware = hardwarePresets().find(({ name }) => name === '1x80');
  const gpu = hardware?.servers[0]?.gpu;
  const clock = new VirtualClock();
  const [server] = hardware ? startServers(hardware, clock, seededRandom(seed + 1)) : [];
  if (server === undefined || gpu === undefined) throw new Error("no server of '1x80'");
  const models = [MODELS.llama1b, MODELS.llama8b, MODELS.qwen14b];
  for (const model of models) server.load(model, () => {});
  clock.run();
  const log: string[] = [];
  let leastMs = 0;
  for (let index = 0; index < 60; index += 1) {
    const model = pick(random, models);
    const work = {
      promptTokens: Math.floor(between(random, 0, 2_000)),
      outputTokens: Math.floor(between(random, 0, 200)),
    };
    const aborted = random() < 0.2;
    const abortAfterMs = between(random, 0, 3_000);
    clock.after(between(random, 0, 20_000), () => {
      const onDone = (): void => {
        log.push(`${index} done at ${clock.nowMs}`);
        const perS = generateTokensPerS(gpu, model) * batchThroughput(server.slots);
        leastMs += (work.promptTokens / promptTokensPerS(gpu, model) + work.outputTokens / perS) * 1_000;
      };
      const onStarted = (): void => {
        log.push(`${index} started at ${clock.nowMs}`);
        expect(server.resident(model.model)?.running).toBeLessThanOrEqual(server.slots);
      };
      const { abort } = server.start(model.model, work, { onStarted, onDone });
      if (aborted) clock.after(abortAfterMs, abort);
    });
  }
  clock.run();
  for (const { running, waiting } of server.residents) expect([running, waiting]).toEqual([0, 0]);
  return { log, busyMs: server.busyMs, leastMs };
};

describe('a virtual server under random requests', () => {
  const SEEDS = Array.from({ length: 100 }, (_, seed) => seed);

  it('never does more than the best batching of the whole GPU could', () => {
    const shares = SEEDS.map((seed) => {
      const { busyMs, leastMs } = play(seed);
      return leastMs / busyMs;
    });
    expect(Math.max(...shares)).toBeLessThanOrEqual(1 + 1e-9);
    // And not far less: what is lost is small batches and what was aborted.
    expect(Math.min(...shares)).toBeGreaterThan(0.3);
  });

  it('does the same again with the same seed', () => {
    for (const seed of SEEDS.slice(0, 10)) expect(play(seed)).toEqual(play(seed));
  });
});
