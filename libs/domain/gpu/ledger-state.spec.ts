import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import { applyToLedger, emptyLedger, type GpuRecord, type Ledger } from '#libs/domain/gpu/gpu.js';
import { LEDGER_FOLD_VERSION, ledgerLines, ledgerOfLines } from '#libs/domain/gpu/ledger-state.js';
import { serverUp } from '#libs/testing/builders.js';
import { gpuActions, GpuWorld } from '#libs/testing/gpu-world.js';
import { ledgerOf } from '#libs/testing/spec.js';
import { taskStories } from '#libs/testing/task-stories.js';

const recordsOf = (actions: Parameters<GpuWorld['act']>[0][]): readonly GpuRecord[] => {
  const records: GpuRecord[] = [];
  const world = new GpuWorld((_, record) => records.push(record));
  for (const action of actions) world.act(action);
  return records;
};

const folded = (from: Ledger, more: readonly GpuRecord[]): Ledger => {
  for (const record of more) applyToLedger(from, record);
  return from;
};

describe('a ledger that is put aside', () => {
  it('comes back byte for byte, at any point of any history, and so does what is folded behind it', () =>
    fc.assert(
      fc.property(gpuActions, fc.nat(), (actions, cut) => {
        const all = recordsOf(actions);
        const at = cut % (all.length + 1);
        const before = folded(emptyLedger(), all.slice(0, at));
        const back = ledgerOfLines([...ledgerLines(before)]);
        expect(canonicalJson(back)).toBe(canonicalJson(before));
        expect(canonicalJson(folded(back, all.slice(at)))).toBe(canonicalJson(folded(before, all.slice(at))));
      }),
      { numRuns: 150 },
    ));

  it('is what it was when it was begun', () => {
    const all = fc.sample(gpuActions, { numRuns: 40, seed: 3 }).map(recordsOf);
    const longest = all.toSorted((a, b) => b.length - a.length)[0] ?? [];
    const half = Math.floor(longest.length / 2);
    const ledger = folded(emptyLedger(), longest.slice(0, half));
    const want = canonicalJson(ledger);
    const lines = ledgerLines(ledger);
    folded(ledger, longest.slice(half));
    expect(canonicalJson(ledger)).not.toBe(want);
    expect(canonicalJson(ledgerOfLines(lines))).toBe(want);
  });

  it('has another version when the fold makes another ledger of the same events', () => {
    const facts = [...serverUp('gpu1'), ...taskStories(300, 7).leases];
    const digest = createHash('sha256')
      .update(canonicalJson(ledgerOf(...facts)))
      .digest('hex');
    // As with the task book: another digest asks for another version.
    expect({ [LEDGER_FOLD_VERSION]: digest }).toEqual({
      'leases-2': 'f1e6d43ce9d1ebec933cf7bbb76393b36cd16e82cddf5a3fae1dc4936b6bb127',
    });
  });
});
