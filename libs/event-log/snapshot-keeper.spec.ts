import { describe, expect, it } from '@jest/globals';
import { START, type LogPosition } from './event-log.js';
import { MemorySnapshotStore } from './memory.snapshot-store.js';
import { restored, SnapshotKeeper, type Keepable } from './snapshot-keeper.js';

const at = (seq: number): LogPosition => ({ seq, hash: `h${seq}` });
const stored = async (): Promise<void> => undefined;

/** A state that is one list of lines, and what became of its snapshots. */
class Kept {
  readonly store = new MemorySnapshotStore();
  readonly failures: unknown[] = [];
  saved: number[] = [];
  lines: string[] = ['{"n":1}'];

  keepable(everyEvents: number): Keepable {
    return {
      store: {
        load: (version) => this.store.load(version),
        save: async (snapshot) => {
          await this.store.save(snapshot);
          this.saved.push(snapshot.position.seq);
        },
      },
      foldVersion: 'v1',
      lines: () => [...this.lines],
      everyEvents,
      onFailure: (error) => this.failures.push(error),
    };
  }

  async until(saves: number): Promise<void> {
    while (this.saved.length < saves) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }

  async back(): Promise<{ position: LogPosition; lines: string[] | null }> {
    let lines: string[] | null = null;
    const position = await restored(this.keepable(1), (read) => (lines = [...read]));
    return { position, lines };
  }
}

describe('keeping snapshots', () => {
  it('saves after so many events, and gives back what was there then', async () => {
    const kept = new Kept();
    const keeper = new SnapshotKeeper(kept.keepable(10), 0);
    keeper.offer(at(9), stored);
    keeper.offer(at(10), stored);
    kept.lines = ['{"n":2}'];
    await kept.until(1);
    expect(kept.saved).toEqual([10]);
    expect(await kept.back()).toEqual({ position: at(10), lines: ['{"n":1}'] });
    keeper.offer(at(19), stored);
    keeper.offer(at(20), stored);
    await kept.until(2);
    expect(await kept.back()).toEqual({ position: at(20), lines: ['{"n":2}'] });
  });

  it('counts from what a snapshot had already', async () => {
    const kept = new Kept();
    const keeper = new SnapshotKeeper(kept.keepable(10), 95);
    keeper.offer(at(100), stored);
    keeper.offer(at(105), stored);
    await kept.until(1);
    expect(kept.saved).toEqual([105]);
  });

  it('keeps states of many blocks whole', async () => {
    const kept = new Kept();
    kept.lines = Array.from({ length: 5_000 }, (_, n) =>
      JSON.stringify({ n, text: 'naïve 東京 '.repeat(20) }),
    );
    new SnapshotKeeper(kept.keepable(1), 0).offer(at(7), stored);
    await kept.until(1);
    expect((await kept.back()).lines).toEqual(kept.lines);
  });

  it('does not begin another while one is being saved', async () => {
    const kept = new Kept();
    const keeper = new SnapshotKeeper(kept.keepable(1), 0);
    for (let seq = 1; seq <= 5; seq += 1) keeper.offer(at(seq), stored);
    await kept.until(1);
    expect(kept.saved).toEqual([1]);
  });

  it('waits for as many events as the state has lines', async () => {
    const kept = new Kept();
    kept.lines = Array.from({ length: 50 }, () => '{}');
    const keeper = new SnapshotKeeper(kept.keepable(10), 0);
    keeper.offer(at(10), stored);
    await kept.until(1);
    keeper.offer(at(59), stored);
    keeper.offer(at(60), stored);
    await kept.until(2);
    expect(kept.saved).toEqual([10, 60]);
  });

  it('saves nothing that the log does not have, and goes on after a failure', async () => {
    const kept = new Kept();
    const keeper = new SnapshotKeeper(kept.keepable(10), 0);
    keeper.offer(at(10), () => Promise.reject(new Error('deposed')));
    while (kept.failures.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await kept.back()).toEqual({ position: START, lines: null });
    await new Promise((resolve) => setImmediate(resolve));
    keeper.offer(at(20), stored);
    await kept.until(1);
    expect(kept.saved).toEqual([20]);
  });
});

describe('taking up a snapshot', () => {
  it('begins at the start without one', async () =>
    expect(await new Kept().back()).toEqual({ position: START, lines: null }));

  it('begins at the start when it cannot be read, or its reader refuses it, and says so', async () => {
    const kept = new Kept();
    await kept.store.save({ position: at(3), foldVersion: 'v1', state: new TextEncoder().encode('no gzip') });
    expect(await kept.back()).toEqual({ position: START, lines: null });
    expect(String(kept.failures)).toMatch(/incorrect header/);
    new SnapshotKeeper(kept.keepable(1), 0).offer(at(4), stored);
    await kept.until(1);
    const refused = await restored(kept.keepable(1), () => {
      throw new Error('not mine');
    });
    expect(refused).toEqual(START);
    expect(String(kept.failures.at(-1))).toMatch(/not mine/);
  });
});
