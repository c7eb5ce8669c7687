import { describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { batches } from './intake.js';

const event = (seq: number): StoredEvent => ({
  id: `e${seq}`,
  seq,
  type: 'log.started',
  version: 1,
  subject: 'evt.scheduler.log-started',
  time: '2026-01-01T12:00:00.000Z',
  data: {},
  epoch: 1,
  hash: `h${seq}`,
  prevHash: `h${seq - 1}`,
});

const events = async function* (count: number, failure?: Error): AsyncGenerator<StoredEvent> {
  for (let seq = 1; seq <= count; seq += 1) yield event(seq);
  if (failure) throw failure;
};

const collected = async (source: AsyncIterable<readonly StoredEvent[]>): Promise<number[][]> => {
  const all: number[][] = [];
  for await (const batch of source) all.push(batch.map(({ seq }) => seq));
  return all;
};

const atOnce = (): Promise<void> => Promise.resolve();
const never = (): Promise<void> => new Promise(() => undefined);

describe('batches of a stream', () => {
  it('hold what is there, in order, up to their size', async () =>
    expect(await collected(batches(events(7), 3, atOnce))).toEqual([[1, 2, 3], [4, 5, 6], [7]]));

  it('do not wait for more once they are full, or once nothing comes any more', async () =>
    expect(await collected(batches(events(5), 2, never))).toEqual([[1, 2], [3, 4], [5]]));

  it('give everything that came before a failure, then the failure', async () => {
    const seen: number[] = [];
    const reading = async (): Promise<void> => {
      for await (const batch of batches(events(3, new Error('torn')), 10, atOnce))
        seen.push(...batch.map(({ seq }) => seq));
    };
    await expect(reading()).rejects.toThrow('torn');
    expect(seen).toEqual([1, 2, 3]);
  });

  it('read no further ahead than two of them', async () => {
    let read = 0;
    const counted = async function* (): AsyncGenerator<StoredEvent> {
      for await (const one of events(1_000)) {
        read += 1;
        yield one;
      }
    };
    const source = batches(counted(), 10, atOnce);
    await source.next();
    expect(read).toBeLessThanOrEqual(30);
    await source.return(undefined);
  });
});
