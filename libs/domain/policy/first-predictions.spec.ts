import { describe, expect, it } from '@jest/globals';
import { forecastOf, type Forecast } from '#libs/domain/policy/forecast.js';
import { snapshotOf } from '#libs/domain/policy/snapshot-of.js';
import { applyToBook, emptyBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { configured, cpuSpec, dispatched, later, NOW, NOW_MS, submitted } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { ledgerOf } from '#libs/testing/spec.js';

const LEASE = { leaseId: 'l', taskId: 't9', stepId: 'a', attempt: 1 };

/** A book that is told facts, with one CPU slot, which another task has. */
const site = () => {
  const book = emptyBook();
  const index = new TaskIndex(book, UNKNOWN_COSTS);
  const ledger = ledgerOf(configured(cpuSpec(1)), {
    type: 'lease.granted',
    serverId: 'cpu',
    leases: [LEASE],
    at: NOW,
  });
  const tell = (event: TaskRecord['event']): void => {
    applyToBook(book, { seq: book.seq + 1, event });
    if ('taskId' in event) index.refresh(event.taskId, NOW_MS);
  };
  const asked = { asked: new Map(), loadsAsked: new Set<string>(), knownBytes: new Map() };
  const predict = (forecast?: Forecast): void => {
    const snapshot = snapshotOf({ book, index, ledger }, asked, NOW_MS);
    index.predictions.make(snapshot, forecast ?? forecastOf(snapshot), index.bounds);
  };
  const predicted = (taskId: string): number | null => {
    const ms = index.predictions.of(taskId, 'a');
    return ms === undefined ? null : ms - NOW_MS;
  };
  return { index, tell, predict, predicted };
};

const saying = (startMs: number): Forecast => ({ madeAtMs: NOW_MS, startMs: () => startMs });

describe('the first prediction of a step', () => {
  it('is made when it has become ready, and stays', () => {
    const { index, tell, predict, predicted } = site();
    tell(submitted());
    expect(index.predictions.isDue).toBe(true);
    predict();
    // An answer takes 15 s as long as nothing is known.
    expect([predicted('t1'), index.predictions.isDue]).toEqual([15_000, false]);
    tell(submitted({ taskId: 't2' }));
    predict(saying(NOW_MS + 1));
    expect([predicted('t1'), predicted('t2')]).toEqual([15_000, 1]);
  });

  it('is never before now and never later than what is promised', () => {
    const { index, tell, predict, predicted } = site();
    tell(submitted());
    predict(saying(NOW_MS - 5_000));
    expect(predicted('t1')).toBe(0);
    tell(submitted({ taskId: 't2' }));
    predict(saying(Infinity));
    expect(predicted('t2')).toBe((index.bounds.boundOf('t2', 'a')?.startByMs ?? 0) - NOW_MS);
  });

  it('is kept while a lease is asked for, and gone with the start, a pause or an end', () => {
    const { index, tell, predict, predicted } = site();
    for (const taskId of ['t1', 't2', 't3']) tell(submitted({ taskId }));
    predict();
    index.hold('t1', 'a', NOW_MS);
    expect(predicted('t1')).toBe(15_000);
    tell(dispatched());
    index.release('t1', 'a', NOW_MS);
    tell({ type: 'task.cancelled', taskId: 't2', reason: 'x', stopped: [], at: later(1) });
    tell({ type: 'scheduling.paused', scope: 'queue', reason: 'x', by: 'ada', at: later(1) });
    index.rebuild(NOW_MS);
    expect(['t1', 't2'].map(predicted)).toEqual([null, null]);
  });

  it('is not made of what was ready before anybody looked', () => {
    const { index, tell, predict, predicted } = site();
    tell(submitted());
    index.predictions.skip();
    predict();
    expect(predicted('t1')).toBeNull();
  });

  it('is made of 250 steps at once, and of the others the next time', () => {
    const { index, tell, predict, predicted } = site();
    for (let n = 0; n < 300; n += 1) tell(submitted({ taskId: `u${n}` }));
    predict();
    expect([predicted('u249') !== null, predicted('u250'), index.predictions.isDue]).toEqual([
      true,
      null,
      true,
    ]);
    predict();
    expect([predicted('u299') !== null, index.predictions.isDue]).toEqual([true, false]);
  });
});
