import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Inbox, InboxGap, InboxMessage, ReceivedMessage } from './inbox.js';

export type InboxHarness = {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** An inbox without any message. Its subjects are `cmd.>`. */
  readonly fresh: () => Promise<InboxUnderTest>;
};

export type InboxUnderTest = {
  readonly inbox: Inbox;
  /** The same inbox as another process sees it. */
  readonly other: Inbox;
  /** Takes away the oldest messages up to this one, as age does. */
  readonly forget: (upToSeq: number) => Promise<void>;
};

const message = (id: string, overrides: Partial<InboxMessage> = {}): InboxMessage => ({
  id,
  subject: `cmd.submit.${id}`,
  data: { id },
  ...overrides,
});

/** The next `count` messages behind a sequence. */
const take = async (inbox: Inbox, afterSeq: number, count: number, onGap?: (gap: InboxGap) => void) => {
  const stop = new AbortController();
  const found: ReceivedMessage[] = [];
  if (count === 0) return found;
  for await (const received of inbox.follow(afterSeq, {
    signal: stop.signal,
    ...(onGap ? { onGap } : {}),
  })) {
    found.push(received);
    if (found.length === count) stop.abort();
  }
  return found;
};

export const describeInbox = (name: string, harness: InboxHarness): void => {
  describe(`inbox: ${name}`, () => {
    let under: InboxUnderTest;
    let inbox: Inbox;

    beforeAll(harness.start);
    afterAll(harness.stop);
    beforeEach(async () => {
      under = await harness.fresh();
      inbox = under.inbox;
    });

    it('stores a message with everything that it says, and tells its sequence and time', async () => {
      const sent = message('m1', {
        data: { text: 'naïve “quotes” 東京 \u{1F680}', list: [1, null, { deep: true }] },
        answerTo: 'rpl.gateway.g1',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      });
      const beforeMs = Date.now();
      expect(await inbox.put(sent)).toBe(1);
      const [received] = await take(under.other, 0, 1);
      expect(received).toEqual({ ...sent, seq: 1, storedAtMs: received?.storedAtMs });
      expect(received?.storedAtMs).toBeGreaterThanOrEqual(beforeMs - 1);
      expect(received?.storedAtMs).toBeLessThanOrEqual(Date.now() + 1);
    });

    it('leaves out what the sender left out', async () => {
      await inbox.put(message('m1'));
      const [received] = await take(inbox, 0, 1);
      expect(Object.keys(received ?? {}).toSorted()).toEqual(['data', 'id', 'seq', 'storedAtMs', 'subject']);
    });

    it('stores a repeated id once and tells where', async () => {
      const first = await inbox.put(message('m1'));
      await inbox.put(message('m2'));
      expect(await under.other.put(message('m1', { data: 'another' }))).toBe(first);
      const received = await take(inbox, 0, 2);
      expect(received.map(({ id, data }) => [id, data])).toEqual([
        ['m1', { id: 'm1' }],
        ['m2', { id: 'm2' }],
      ]);
    });

    it('takes many at once from several senders, each once', async () => {
      const ids = Array.from({ length: 2_000 }, (_, n) => `m${n}`);
      const stored = await Promise.all(
        ids.map((id, n) => (n % 2 ? inbox : under.other).put(message(id, { subject: 'cmd.submit.x' }))),
      );
      expect(stored.toSorted((a, b) => a - b)).toEqual(ids.map((_, n) => n + 1));
      const received = await take(inbox, 0, 2_000);
      expect(received.map(({ seq }) => seq)).toEqual(ids.map((_, n) => n + 1));
      expect(received.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    });

    it('goes on behind a sequence, and waits for what comes', async () => {
      for (const id of ['m1', 'm2', 'm3']) await inbox.put(message(id));
      const following = take(inbox, 2, 2);
      await under.other.put(message('m4'));
      expect((await following).map(({ id }) => id)).toEqual(['m3', 'm4']);
    });

    it('ends when it is aborted', async () => {
      await inbox.put(message('m1'));
      const ended: string[] = [];
      for await (const { id } of inbox.follow(0, { signal: AbortSignal.timeout(200) })) ended.push(id);
      expect(ended).toEqual(['m1']);
    });

    it('tells of messages that age took before they were read', async () => {
      for (const id of ['m1', 'm2', 'm3', 'm4']) await inbox.put(message(id));
      await under.forget(3);
      const gaps: InboxGap[] = [];
      const received = await take(inbox, 1, 1, (gap) => gaps.push(gap));
      expect(received.map(({ id }) => id)).toEqual(['m4']);
      expect(gaps).toEqual([{ fromSeq: 2, toSeq: 3 }]);
      await take(inbox, 3, 1, (gap) => gaps.push(gap));
      expect(gaps).toHaveLength(1);
    });

    it('refuses what cannot be a message', async () => {
      await expect(inbox.put(message('a b'))).rejects.toThrow(RangeError);
      await expect(inbox.put(message('a\r\nce-x: 1'))).rejects.toThrow(RangeError);
      await expect(inbox.put(message('m1', { subject: 'cmd.*' }))).rejects.toThrow(RangeError);
      await expect(inbox.put(message('m1', { data: 'x'.repeat(2_000_000) }))).rejects.toThrow(
        /m1 has 2000002 bytes, at most 983040/,
      );
      expect(await inbox.put(message('m1', { traceparent: 'a\r\nb: c' }))).toBe(1);
      const [received] = await take(inbox, 0, 1);
      expect(received?.traceparent).toBe('a\r\nb: c');
    });
  });
};
