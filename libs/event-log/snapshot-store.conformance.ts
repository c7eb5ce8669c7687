import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Snapshot, SnapshotStore } from './snapshot-store.js';

export type SnapshotHarness = {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly fresh: () => Promise<{
    readonly store: SnapshotStore;
    /** Names of the states that take up room. */
    readonly names: () => Promise<readonly string[]>;
    /** Changes the bytes of the state at this sequence behind the store's back. */
    readonly damage: (seq: number) => Promise<void>;
  }>;
};

const snapshot = (seq: number, overrides: Partial<Snapshot> = {}): Snapshot => ({
  position: { seq, hash: String(seq).padStart(64, '0') },
  foldVersion: 'v1',
  state: new TextEncoder().encode(JSON.stringify({ seq, text: 'naïve 東京' })),
  ...overrides,
});

const plain = (found: Snapshot | null): unknown =>
  found && { ...found, state: Buffer.from(found.state).toString('base64') };

export const describeSnapshots = (name: string, harness: SnapshotHarness): void => {
  describe(`snapshots: ${name}`, () => {
    let under: Awaited<ReturnType<SnapshotHarness['fresh']>>;

    beforeAll(harness.start);
    afterAll(harness.stop);
    beforeEach(async () => {
      under = await harness.fresh();
    });

    it('has none at first', async () => {
      expect(await under.store.load('v1')).toBeNull();
    });

    it('gives the newest back, byte for byte', async () => {
      const large = snapshot(20, { state: new Uint8Array(700_000).map((_, n) => n % 251) });
      await under.store.save(snapshot(10));
      await under.store.save(large);
      expect(plain(await under.store.load('v1'))).toEqual(plain(large));
    });

    it('does not take up the state of another fold', async () => {
      await under.store.save(snapshot(10, { foldVersion: 'v0' }));
      await under.store.save(snapshot(20));
      expect((await under.store.load('v0'))?.position.seq).toBe(10);
      expect((await under.store.load('v1'))?.position.seq).toBe(20);
      expect(await under.store.load('v2')).toBeNull();
    });

    it('gives the newest one that is of no later event than asked for', async () => {
      for (const seq of [10, 20, 30]) await under.store.save(snapshot(seq));
      expect((await under.store.load('v1', 29))?.position.seq).toBe(20);
      expect((await under.store.load('v1', 30))?.position.seq).toBe(30);
      expect(await under.store.load('v1', 9)).toBeNull();
    });

    it('takes the one before when the newest is damaged, and none when all are', async () => {
      await under.store.save(snapshot(10));
      await under.store.save(snapshot(20));
      await under.damage(20);
      expect((await under.store.load('v1'))?.position.seq).toBe(10);
      await under.damage(10);
      expect(await under.store.load('v1')).toBeNull();
    });

    it('keeps three', async () => {
      for (const seq of [10, 20, 30, 40, 40, 50]) await under.store.save(snapshot(seq));
      expect(await under.names()).toEqual(['v1-30', 'v1-40', 'v1-50']);
    });
  });
};
