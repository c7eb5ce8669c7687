import { describe, expect, it } from '@jest/globals';
import { configured, gib, loaded, loadStarted, profileOf, serverSpec } from '#libs/testing/builders.js';
import { SwapRecord } from './swap-record.js';

const A = profileOf('a');
const SPEC = serverSpec('gpu1');

const recordOf = (...loadsMs: readonly number[]): SwapRecord => {
  const record = new SwapRecord(0);
  record.take(configured(SPEC), 0);
  for (const [n, tookMs] of loadsMs.entries()) {
    const id = `r${n}`;
    record.take(loadStarted('gpu1', id, A), n * 100_000);
    record.take(loaded('gpu1', id, { bytes: gib(9) }), n * 100_000 + tookMs);
  }
  return record;
};
const tookMs = (record: SwapRecord, nth: number, serverId = 'gpu1', profile = A): number =>
  record.loadOf(serverId, profile, nth).tookMs;

describe('loads and unloads of a log', () => {
  it('take what they took, in their order, and then the median of them', () => {
    const record = recordOf(9_000, 2_000, 3_000);
    expect([0, 1, 2, 3, 99].map((nth) => tookMs(record, nth))).toEqual([9_000, 2_000, 3_000, 3_000, 3_000]);
  });

  it('take on another server what they took here', () =>
    expect(tookMs(recordOf(9_000, 2_000, 3_000), 0, 'gpu2')).toBe(3_000));

  it('of a model that was never loaded take as long for a byte as others', () => {
    const record = recordOf(9_000);
    record.take(loadStarted('gpu1', 'begun', profileOf('b'), { bytes: gib(3) }), 900_000);
    expect(tookMs(record, 0, 'gpu1', profileOf('b'))).toBe(3_000);
  });

  it('fail again where the model never loaded, and only there', () => {
    const record = recordOf(9_000);
    const failure = { code: 'MODEL_NOT_FOUND', message: 'none' } as const;
    for (const [profile, id] of [
      [A, 'one'],
      [profileOf('b'), 'two'],
    ] as const) {
      record.take(loadStarted('gpu1', id, profile), 900_000);
      record.take(
        { type: 'residency.load-failed', serverId: 'gpu1', residencyId: id, failure, at: '' },
        900_250,
      );
    }
    expect(record.loadOf('gpu1', A, 7).failure).toBeNull();
    expect(record.loadOf('gpu1', profileOf('b'), 0)).toEqual({ tookMs: 250, failure });
    expect(record.failedLoads).toBe(2);
  });

  it('have the size that was seen last with as many slots, and the largest elsewhere, which is told', () => {
    const record = recordOf(9_000);
    expect([record.bytesOn(SPEC, A), record.guessed]).toEqual([gib(9), []]);
    expect(record.bytesOn({ ...SPEC, slots: 4 }, A)).toBe(gib(9));
    expect(record.guessed).toEqual(['a:latest|numCtx=4096']);
    expect(record.knownBytes.get('a:latest|numCtx=4096')).toBe(gib(9));
  });

  it('that go together go one by one: each takes from the end of the one before it', () => {
    const record = recordOf(1_000, 1_000);
    for (const residencyId of ['r0', 'r1'])
      record.take(
        { type: 'residency.unload-started', serverId: 'gpu1', residencyId, reason: '', at: '' },
        500_000,
      );
    record.take(
      { type: 'residency.unloaded', serverId: 'gpu1', residencyId: 'r0', reason: '', at: '' },
      500_700,
    );
    record.take(
      { type: 'residency.unloaded', serverId: 'gpu1', residencyId: 'r1', reason: '', at: '' },
      501_900,
    );
    expect([record.unloadMs('gpu1', 0), record.unloadMs('gpu1', 1)]).toEqual([700, 1_200]);
  });
});
