import { describe, expect, it } from '@jest/globals';
import { forecastOf } from '#libs/domain/policy/forecast.js';
import { ProbableStarts, type ProbableStart } from '#libs/domain/policy/probable-starts.js';
import { snapshotOf } from '#libs/domain/policy/snapshot-of.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import {
  configured,
  cpuSpec,
  dispatched,
  later,
  NOW,
  NOW_MS,
  stepSpec,
  submitted,
} from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { bookOf, ledgerOf } from '#libs/testing/spec.js';

/** What an attempt takes while nothing is known of it. */
const PACE_MS = 15_000;

/** The start of a step, in milliseconds from now, where one CPU slot is free. */
const startOf = (
  facts: readonly TaskRecord['event'][],
  taskId = 't1',
  stepId = 'a',
): (Omit<ProbableStart, 'atMs'> & { readonly inMs: number }) | null => {
  const book = bookOf(facts);
  const index = new TaskIndex(book, UNKNOWN_COSTS);
  index.rebuild(NOW_MS);
  const asked = { asked: new Map(), loadsAsked: new Set<string>(), knownBytes: new Map() };
  const snapshot = snapshotOf({ book, index, ledger: ledgerOf(configured(cpuSpec(1))) }, asked, NOW_MS);
  const starts = new ProbableStarts({ book, index, snapshot, forecast: forecastOf(snapshot) });
  const task = book.open.get(taskId);
  const step = task?.steps.find(({ spec }) => spec.id === stepId);
  const start = task && step ? starts.of(task, step) : null;
  return start && { kind: start.kind, inMs: start.atMs - NOW_MS };
};

const two = [stepSpec('a'), stepSpec('b', { needs: ['a'] })];
const paused = (): TaskRecord['event'] => ({
  type: 'scheduling.paused',
  scope: 'queue',
  reason: 'x',
  by: 'ada',
  at: NOW,
});

describe('the probable start', () => {
  it('of a ready step is what the forecast says', () => {
    expect(startOf([submitted()])).toEqual({ kind: 'probably', inMs: 0 });
    expect(startOf([submitted({ taskId: 't0' }), submitted()])).toEqual({ kind: 'probably', inMs: PACE_MS });
  });

  it('of a step is not before what it needs in its task will be done', () => {
    expect(startOf([submitted({ steps: two })], 't1', 'b')).toEqual({ kind: 'not-before', inMs: PACE_MS });
    const runs = dispatched('a', 1, { at: later(-5_000) });
    expect(startOf([submitted({ steps: two }), runs], 't1', 'b')).toEqual({
      kind: 'not-before',
      inMs: PACE_MS - 5_000,
    });
  });

  it('of a task is not before those that it waits for will be done, however many are between', () => {
    const chain = Array.from({ length: 400 }, (_, n) =>
      submitted({ taskId: `c${n}`, dependsOn: n === 0 ? [] : [`c${n - 1}`] }),
    );
    expect(startOf(chain, 'c399')).toEqual({ kind: 'not-before', inMs: 399 * PACE_MS });
  });

  it('is not before the time from which it may run', () =>
    expect(startOf([submitted({ runAt: later(60_000) })])).toEqual({ kind: 'not-before', inMs: 60_000 }));

  it('is not known where more tasks are between than are followed', () => {
    const chain = Array.from({ length: 1_100 }, (_, n) =>
      submitted({ taskId: `c${n}`, dependsOn: n === 0 ? [] : [`c${n - 1}`] }),
    );
    expect(startOf(chain, 'c1099')).toBeNull();
  });

  it('is not known while everything is paused', () => {
    expect(startOf([submitted(), paused()])).toBeNull();
    const waits = submitted({ taskId: 't2', dependsOn: ['t1'] });
    expect(startOf([submitted(), waits, paused()], 't2')).toBeNull();
  });
});
