import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { afterTry, newDelivery, notTaken, sentAgain, type Delivery, type TryOutcome } from './delivery.js';

const RETRY = { firstMs: 1_000, longestMs: 60_000, forMs: 600_000 };
const REFUSED: TryOutcome = { ok: false, status: 500, error: 'answers 500' };
const fresh = (): Delivery =>
  newDelivery(
    {
      id: 'd1',
      order: 1,
      channel: 'ops',
      cause: { kind: 'test' },
      task: null,
      message: { type: 'test', at: '2026-01-01T00:00:00.000Z', title: 't', text: 'x', link: null, data: {} },
    },
    0,
  );

const tried = (delivery: Delivery, outcome: TryOutcome, nowMs: number, random = 1): Delivery =>
  afterTry(delivery, outcome, { atMs: nowMs, nowMs }, { retry: RETRY, random });

describe('a try', () => {
  it('that arrives ends the delivery, with what was tried', () => {
    const done = afterTry(
      tried(fresh(), REFUSED, 10),
      { ok: true, status: 204 },
      { atMs: 1_010, nowMs: 1_030 },
      { retry: RETRY, random: 0 },
    );
    expect(done).toMatchObject({ status: 'delivered', attempts: 2, nextAttemptAtMs: null, endedAtMs: 1_030 });
    expect(done.tries).toEqual([
      { atMs: 10, tookMs: 0, status: 500, error: 'answers 500' },
      { atMs: 1_010, tookMs: 20, status: 204, error: null },
    ]);
  });

  it('that fails is made again after pauses that double up to the longest', () => {
    let delivery = fresh();
    const pauses: number[] = [];
    let nowMs = 0;
    while (delivery.status === 'pending') {
      delivery = tried(delivery, REFUSED, nowMs);
      const nextMs = delivery.nextAttemptAtMs ?? nowMs;
      if (nextMs > nowMs) pauses.push(nextMs - nowMs);
      nowMs = nextMs;
    }
    expect(pauses.slice(0, 8)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    expect([delivery.status, delivery.endedAtMs]).toEqual(['failed', nowMs]);
    expect(delivery.endedAtMs).toBeLessThanOrEqual(RETRY.forMs);
  });

  it('is the last one where the receiver says so, and waits as long as it asks', () => {
    expect(tried(fresh(), { ...REFUSED, status: 410, isFinal: true }, 5)).toMatchObject({ status: 'failed' });
    expect(tried(fresh(), { ...REFUSED, retryAfterMs: 30_000 }, 5).nextAttemptAtMs).toBe(30_005);
    expect(tried(fresh(), { ...REFUSED, retryAfterMs: 1e9 }, 5).nextAttemptAtMs).toBe(60_005);
  });

  it('is made at least once, however long the delivery had to wait for its turn', () => {
    const late = tried(fresh(), REFUSED, RETRY.forMs * 3);
    expect([late.status, late.attempts]).toEqual(['failed', 1]);
  });

  it('whatever happens: pauses stay within bounds, and every delivery ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (chances) => {
          let delivery = fresh();
          let nowMs = 0;
          for (let n = 0; delivery.status === 'pending'; n += 1) {
            expect(n).toBeLessThan(100);
            delivery = tried(delivery, REFUSED, nowMs, chances[n % chances.length]);
            const pauseMs = (delivery.nextAttemptAtMs ?? nowMs + RETRY.firstMs) - nowMs;
            expect(pauseMs).toBeGreaterThanOrEqual(RETRY.firstMs / 2);
            expect(pauseMs).toBeLessThanOrEqual(RETRY.longestMs);
            nowMs += pauseMs;
          }
          expect(delivery.tries.length).toBeLessThanOrEqual(20);
        },
      ),
    );
  });
});

describe('sending again', () => {
  it('begins anew and keeps what was tried', () => {
    const failed = tried(fresh(), { ...REFUSED, isFinal: true }, 5);
    const again = sentAgain(failed, RETRY.forMs * 5);
    expect(again).toMatchObject({ status: 'pending', attempts: 1, nextAttemptAtMs: RETRY.forMs * 5 });
    expect(tried(again, REFUSED, RETRY.forMs * 5).status).toBe('pending');
  });
});

describe('a delivery for which there is no room', () => {
  it('is failed from the beginning and says why', () => {
    const failed = notTaken(fresh(), 'too many wait', 7);
    expect(failed).toMatchObject({ status: 'failed', attempts: 0, endedAtMs: 7 });
    expect(failed.tries[0]?.error).toBe('too many wait');
  });
});
