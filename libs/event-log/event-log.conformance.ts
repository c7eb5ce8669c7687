import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  EventTooLargeError,
  LogCorruptError,
  START,
  WriterDeposedError,
  type EventLog,
  type LogPosition,
  type LogWriter,
  type NewEvent,
  type StoredEvent,
} from './event-log.js';

/** What the suite needs of an adapter: fresh logs, a second process's view of the same log, and a way to do damage. */
export type EventLogHarness = {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** A log without any event. Its subjects are `evt.task.>`. */
  readonly fresh: () => Promise<LogUnderTest>;
};

export type LogUnderTest = {
  readonly log: EventLog;
  /** The same log as another process sees it. */
  readonly other: EventLog;
  /** Puts an event behind what was handed in so far, past every check, with this predecessor's hash. */
  readonly plant: (event: NewEvent, epoch: number, prevHash: string) => Promise<void>;
  /** Takes an event out of the middle, as a damaged disk would. */
  readonly lose: (seq: number) => Promise<void>;
};

let made = 0;

export const fact = (data: unknown = { n: made }, overrides: Partial<NewEvent> = {}): NewEvent => ({
  id: `e-${(made += 1)}`,
  type: 'task.noted',
  version: 1,
  subject: 'evt.task.t1.noted',
  time: '2026-03-01T12:00:00.000Z',
  data,
  ...overrides,
});

export const facts = (count: number): NewEvent[] => Array.from({ length: count }, (_, n) => fact({ n }));

export const collect = async <T>(events: AsyncIterable<T>, most = Number.POSITIVE_INFINITY): Promise<T[]> => {
  const found: T[] = [];
  if (most === 0) return found;
  for await (const event of events) {
    found.push(event);
    if (found.length >= most) break;
  }
  return found;
};

export const endOf = (events: readonly StoredEvent[]): LogPosition => {
  const last = events.at(-1);
  return last ? { seq: last.seq, hash: last.hash } : START;
};

const seqs = (events: readonly StoredEvent[]): number[] => events.map(({ seq }) => seq);

const upTo = (last: number): number[] => Array.from({ length: last }, (_, n) => n + 1);

export const describeEventLog = (name: string, harness: EventLogHarness): void => {
  describe(`event log: ${name}`, () => {
    let under: LogUnderTest;
    let log: EventLog;

    beforeAll(harness.start);
    afterAll(harness.stop);
    beforeEach(async () => {
      under = await harness.fresh();
      log = under.log;
    });

    const opened = async (count: number): Promise<{ writer: LogWriter; events: readonly StoredEvent[] }> => {
      const writer = await log.openWriter(START, fact());
      await writer.append(facts(count)).acknowledged();
      return { writer, events: await collect(log.replay(START)) };
    };

    describe('writing', () => {
      it('numbers events from 1 without holes, the opening being the first and the epoch of all', async () => {
        const { writer, events } = await opened(4);
        expect(seqs(events)).toEqual([1, 2, 3, 4, 5]);
        expect(events.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 1, 1]);
        expect(writer.epoch).toBe(1);
        expect(await log.tail()).toEqual({ firstSeq: 1, lastSeq: 5 });
      });

      it('tells a log without events by a last sequence of 0', async () => {
        expect((await log.tail()).lastSeq).toBe(0);
        expect(await collect(log.replay(START))).toEqual([]);
      });

      it('says at once where events will stand, and they come to stand there', async () => {
        const writer = await log.openWriter(START, fact());
        const first = writer.append([fact({ text: 'a' }), fact({ text: 'b' })]);
        const second = writer.append([fact({ text: 'c' })]);
        expect(seqs([...first.events, ...second.events])).toEqual([2, 3, 4]);
        expect(writer.position).toEqual(endOf(second.events));
        await writer.flush();
        const stored = await collect(log.replay(START));
        expect(stored.slice(1)).toEqual([...first.events, ...second.events]);
      });

      it('keeps every attribute and any text', async () => {
        const event = fact(
          { text: 'naïve “quotes” 東京 \u{1F680} \r\n', list: [1, null, { deep: true }] },
          {
            taskId: 't1',
            workspace: 'Büro 5 % "a"',
            correlationId: 'c-1',
            causationId: 'cmd:17',
            traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
            version: 3,
          },
        );
        const writer = await log.openWriter(START, fact());
        await writer.append([event]).acknowledged();
        const [stored] = await collect(log.replay(writerStart(await collect(log.replay(START)))));
        expect(stored).toMatchObject(event);
      });

      it('stores a thousand events handed in at once, in order', async () => {
        const writer = await log.openWriter(START, fact());
        const { events, acknowledged } = writer.append(facts(1_000));
        await acknowledged();
        expect(seqs(events)).toEqual(upTo(1_001).slice(1));
        const stored = await collect(log.replay(START));
        expect(stored.slice(1)).toEqual(events);
      });

      it('stores what nobody waits for, and tells whoever asks later, in any order', async () => {
        const writer = await log.openWriter(START, fact());
        const appended = Array.from({ length: 5 }, () => writer.append(facts(2)));
        const found = await collect(log.follow(START, { signal: new AbortController().signal }), 11);
        expect(seqs(found)).toEqual(upTo(11));
        await turns(3);
        for (const { acknowledged } of appended.toReversed()) await acknowledged();
        await writer.flush();
      });

      it('acknowledges nothing new once everything before is stored', async () => {
        const writer = await log.openWriter(START, fact());
        writer.append(facts(3));
        await writer.append([]).acknowledged();
        expect(seqs(await collect(log.replay(START)))).toEqual(upTo(4));
      });

      it('refuses what does not fit into a message, and goes on', async () => {
        const writer = await log.openWriter(START, fact());
        expect(() => writer.append([fact(), fact('x'.repeat(2_000_000))])).toThrow(EventTooLargeError);
        expect(() => writer.append([fact({}, { id: 'two words' })])).toThrow(RangeError);
        expect(() => writer.append([fact({}, { id: 'a\r\nb: c' })])).toThrow(RangeError);
        expect(() => writer.append([fact({}, { subject: 'evt.task.*' })])).toThrow(RangeError);
        await writer.append([fact()]).acknowledged();
        expect((await log.tail()).lastSeq).toBe(2);
      });

      it('refuses everything once it was closed', async () => {
        const { writer } = await opened(1);
        await writer.close();
        await expect(writer.append([fact()]).acknowledged()).rejects.toThrow(WriterDeposedError);
        expect(await writer.over).toBeInstanceOf(WriterDeposedError);
        expect((await log.tail()).lastSeq).toBe(2);
      });
    });

    describe('the fence', () => {
      it('refuses to open behind the end', async () => {
        await opened(3);
        await expect(under.other.openWriter(START, fact())).rejects.toThrow(WriterDeposedError);
        expect((await log.tail()).lastSeq).toBe(4);
      });

      it('refuses to open a log that is not the one that was read', async () => {
        const { events } = await opened(3);
        const wrong = { seq: endOf(events).seq, hash: 'f'.repeat(64) };
        await expect(under.other.openWriter(wrong, fact())).rejects.toThrow(LogCorruptError);
      });

      it('opens at the end with the next epoch, and the old writer is over with its next append', async () => {
        const { writer: old, events } = await opened(3);
        const next = await under.other.openWriter(endOf(events), fact());
        expect(next.epoch).toBe(5);
        await expect(old.append([fact()]).acknowledged()).rejects.toThrow(WriterDeposedError);
        expect(await old.over).toBeInstanceOf(WriterDeposedError);
        await expect(old.append([fact()]).acknowledged()).rejects.toThrow(WriterDeposedError);
        await next.append([fact()]).acknowledged();
        expect(seqs(await collect(log.replay(START)))).toEqual(upTo(6));
      });

      it('ends the old writer also when it waits for nothing', async () => {
        const { writer, events } = await opened(1);
        await under.other.openWriter(endOf(events), fact());
        const { acknowledged } = writer.append(facts(3));
        expect(await writer.over).toBeInstanceOf(WriterDeposedError);
        await expect(acknowledged()).rejects.toThrow(WriterDeposedError);
        expect((await log.tail()).lastSeq).toBe(3);
      });

      it('lets one of two win that open at the same place', async () => {
        const { events } = await opened(1);
        const results = await Promise.allSettled([
          log.openWriter(endOf(events), fact()),
          under.other.openWriter(endOf(events), fact()),
        ]);
        expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
        expect((await log.tail()).lastSeq).toBe(3);
      });

      it('accepts nothing of a deposed writer that has a full pipeline, in any of 60 rounds', async () => {
        let at = START;
        let [accepted, refused] = [0, 0];
        for (let round = 0; round < 60; round += 1) {
          const writer = await log.openWriter(at, fact());
          const early = facts(round % 6);
          const [rival, late] = [fact(), facts(5)];
          // Some events, the newcomer's, and five more that were under way when it came. Without the chain rule the second
          // of those five finds the sequence that it expects.
          const before = writer.append(early);
          await Promise.resolve();
          const planted = under.plant(rival, 0, '');
          const behind = writer.append(late);
          await planted;
          const [kept, lost] = await Promise.allSettled([before.acknowledged(), behind.acknowledged()]);
          expect(kept.status).toBe('fulfilled');
          if (lost.status === 'rejected') refused += 1;
          expect(await writer.over).toBeInstanceOf(WriterDeposedError);
          const stored = await collect(
            log.replay({ seq: writer.epoch, hash: '' }, { filterSubjects: ['>'] }),
          );
          expect(stored.map(({ id }) => id).slice(0, early.length + 1)).toEqual(
            [...early, rival].map(({ id }) => id),
          );
          accepted += stored.length - early.length - 1;
          at = endOf(stored);
        }
        expect({ accepted, refused }).toEqual({ accepted: 0, refused: 60 });
      });

      it('has one winner when a newcomer opens while events are being appended', async () => {
        let writer = await log.openWriter(START, fact());
        for (let round = 0; round < 20; round += 1) {
          await writer.append(facts(2)).acknowledged();
          const at = writer.position;
          const rival = under.other.openWriter(at, fact());
          await turns(round % 7);
          const zombie = writer.append(facts(5));
          const [taken, kept] = await Promise.allSettled([rival, zombie.acknowledged()]);
          expect([taken.status, kept.status].toSorted()).toEqual(['fulfilled', 'rejected']);
          if (taken.status === 'fulfilled') writer = taken.value;
        }
        const { lastSeq } = await log.tail();
        expect(seqs(await collect(log.replay(START)))).toEqual(upTo(lastSeq));
      });
    });

    describe('reading', () => {
      it('begins anywhere and ends at what was the tail when it began', async () => {
        const { writer, events } = await opened(20);
        const from = endOf(events.slice(0, 8));
        const found: StoredEvent[] = [];
        for await (const event of log.replay(from)) {
          if (found.length === 0) await writer.append(facts(5)).acknowledged();
          found.push(event);
        }
        expect(found).toEqual(events.slice(8));
      });

      it('waits for a slow reader and loses nothing', async () => {
        await opened(300);
        let previous = 0;
        for await (const { seq } of log.replay(START, { bufferMax: 10 })) {
          expect(seq).toBe(previous + 1);
          previous = seq;
          if (seq % 50 === 0) await turns(20);
        }
        expect(previous).toBe(301);
      });

      it('can be left early', async () => {
        await opened(300);
        expect(await collect(log.replay(START, { bufferMax: 10 }), 3)).toHaveLength(3);
        expect(await collect(log.replay(START))).toHaveLength(301);
      });

      it('filters by subject, also when nothing or not the last one matches', async () => {
        const writer = await log.openWriter(START, fact());
        await writer
          .append([
            fact({}, { subject: 'evt.task.t1.done' }),
            fact({}, { subject: 'evt.task.t2.done' }),
            fact({}, { subject: 'evt.task.t2.noted' }),
          ])
          .acknowledged();
        const read = async (...filterSubjects: string[]): Promise<number[]> =>
          seqs(await collect(log.replay(START, { filterSubjects })));
        expect(await read('evt.task.*.done')).toEqual([2, 3]);
        expect(await read('evt.task.t2.>')).toEqual([3, 4]);
        expect(await read('evt.task.t9.>')).toEqual([]);
        expect(await read('evt.task.*.noted', 'evt.task.t1.done')).toEqual([1, 2, 4]);
        expect(await read('evt.task.t8.>', 'evt.task.t9.>')).toEqual([]);
      });

      it('rejects when it is aborted, so that half a log is not taken for all of it', async () => {
        await opened(300);
        const stop = new AbortController();
        const reading = collectUntil(log.replay(START, { bufferMax: 10, signal: stop.signal }), () =>
          stop.abort(),
        );
        await expect(reading).rejects.toThrow(/abort/i);
      });

      it('follows: first what is there, then what comes, until it is aborted', async () => {
        const { writer } = await opened(3);
        const stop = new AbortController();
        const found: number[] = [];
        for await (const { seq } of log.follow(START, { signal: stop.signal })) {
          found.push(seq);
          if (seq === 4) void writer.append(facts(3));
          if (seq === 7) stop.abort();
        }
        expect(found).toEqual(upTo(7));
      });

      it('follows from the end of a log without events', async () => {
        const stop = new AbortController();
        const following = collectUntil(log.follow(START, { signal: stop.signal }), () => stop.abort());
        await under.other.openWriter(START, fact());
        expect(seqs(await following)).toEqual([1]);
      });
    });

    describe('reading in batches', () => {
      const atOnce = async (): Promise<void> => undefined;

      /** Sequences of the batches up to an event. */
      const read = async (
        upToSeq: number,
        { sizeMax = 100, gather = atOnce, from = START } = {},
      ): Promise<number[][]> => {
        const stop = new AbortController();
        const batches: number[][] = [];
        for await (const batch of log.followBatches(from, { signal: stop.signal, sizeMax, gather })) {
          batches.push(seqs(batch));
          if (batch.some(({ seq }) => seq === upToSeq)) stop.abort();
        }
        return batches;
      };

      it('hands over what is there, in order, up to the size, then what comes', async () => {
        const { writer, events } = await opened(6);
        expect(await read(7, { sizeMax: 3 })).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
        const reading = read(9, { from: endOf(events.slice(0, 5)) });
        await turns(5);
        await writer.append(facts(2)).acknowledged();
        expect((await reading).flat()).toEqual([6, 7, 8, 9]);
      });

      it('hands over events as the other readings do', async () => {
        const { events } = await opened(5);
        for await (const batch of log.followBatches(START, {
          signal: new AbortController().signal,
          sizeMax: 10,
          gather: atOnce,
        })) {
          expect(batch).toEqual(events);
          break;
        }
      });

      it('takes along what comes while it gathers', async () => {
        const { writer } = await opened(1);
        const gather = async (): Promise<void> => {
          if (writer.position.seq < 12) await writer.append(facts(10)).acknowledged();
        };
        expect(await read(12, { gather })).toEqual([upTo(12)]);
      });

      it('does not gather for a batch that is full already', async () => {
        await opened(9);
        const never = async (): Promise<void> => await new Promise(() => undefined);
        expect(await read(10, { sizeMax: 5, gather: never })).toEqual([upTo(5), [6, 7, 8, 9, 10]]);
      });

      it('waits for the first event of a log that has none, and ends when it is aborted', async () => {
        const stop = new AbortController();
        const found: number[] = [];
        const reading = (async () => {
          const options = { signal: stop.signal, sizeMax: 10, gather: atOnce };
          for await (const batch of log.followBatches(START, options)) found.push(...seqs(batch));
        })();
        await turns(5);
        const writer = await under.other.openWriter(START, fact());
        await writer.append(facts(1)).acknowledged();
        while (found.length < 2) await turns(1);
        stop.abort();
        await reading;
        expect(found).toEqual([1, 2]);
      });

      it('hands over what is sound and stops at the damage', async () => {
        await opened(3);
        await under.plant(fact(), 1, 'a'.repeat(64));
        const found: number[] = [];
        const reading = (async () => {
          const options = { signal: AbortSignal.timeout(20_000), sizeMax: 10, gather: atOnce };
          for await (const batch of log.followBatches(START, options)) found.push(...seqs(batch));
        })();
        await expect(reading).rejects.toThrow(/names a{64} as its predecessor/);
        expect(found).toEqual([1, 2, 3, 4]);
      });

      it('stops at a hole', async () => {
        await opened(5);
        await under.lose(3);
        await expect(read(6, { sizeMax: 3 })).rejects.toThrow(/event 3 is missing/);
      });

      it('refuses a log that is not the one that was read', async () => {
        const { events } = await opened(2);
        await expect(read(9, { from: { ...endOf(events), seq: 9 } })).rejects.toThrow(LogCorruptError);
      });
    });

    describe('damage', () => {
      it('stops at an event whose predecessor has another hash', async () => {
        await opened(3);
        await under.plant(fact(), 1, 'a'.repeat(64));
        const found: number[] = [];
        const reading = (async () => {
          for await (const { seq } of log.replay(START)) found.push(seq);
        })();
        await expect(reading).rejects.toThrow(LogCorruptError);
        expect(found).toEqual([1, 2, 3, 4]);
        await expect(collect(log.follow(START, { signal: AbortSignal.timeout(20_000) }))).rejects.toThrow(
          /names a{64} as its predecessor/,
        );
      });

      it('stops at a hole', async () => {
        await opened(5);
        await under.lose(3);
        await expect(collect(log.replay(START))).rejects.toThrow(/event 3 is missing/);
      });

      it('stops when the first event is gone', async () => {
        await opened(2);
        await under.lose(1);
        await expect(collect(log.replay(START))).rejects.toThrow(LogCorruptError);
      });

      it('stops when the log ends before what was read, or has another past', async () => {
        const { events } = await opened(2);
        const { hash } = endOf(events);
        await expect(collect(log.replay({ seq: 9, hash }))).rejects.toThrow(LogCorruptError);
        await expect(collect(log.replay({ seq: 2, hash }))).rejects.toThrow(LogCorruptError);
        const { signal } = new AbortController();
        await expect(collect(log.follow({ seq: 9, hash }, { signal }))).rejects.toThrow(LogCorruptError);
      });
    });
  });
};

const writerStart = (events: readonly StoredEvent[]): LogPosition => endOf(events.slice(0, 1));

/** Lets other work of this process go on for a few turns. */
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

const collectUntil = async (
  events: AsyncIterable<StoredEvent>,
  onFirst: () => void,
): Promise<StoredEvent[]> => {
  const found: StoredEvent[] = [];
  for await (const event of events) {
    if (found.length === 0) onFirst();
    found.push(event);
  }
  return found;
};
