import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseEvents, type StreamEvent } from './parse-events.js';

const read = async (parts: readonly Uint8Array[]): Promise<readonly StreamEvent[]> => {
  const events: StreamEvent[] = [];
  const body = (async function* () {
    yield* parts;
  })();
  for await (const event of parseEvents(body)) events.push(event);
  return events;
};

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('an event stream', () => {
  it('has events with id, type and JSON data; comments and retry are passed over', async () => {
    const text =
      'retry: 1000\n\n: ping\n\nid: 7\nevent: task.submitted\ndata: {"a":1}\n\nevent: token\ndata: {"text":" x"}\n\n';
    expect(await read([bytes(text)])).toEqual([
      { id: '7', event: 'task.submitted', data: { a: 1 } },
      { id: null, event: 'token', data: { text: ' x' } },
    ]);
  });

  it('may end lines as other servers do, and may have several data lines', async () => {
    expect(await read([bytes('data: one\r\ndata:two\r\n\r\ndata: 3\r\rdata\n\n')])).toEqual([
      { id: null, event: 'message', data: 'one\ntwo' },
      { id: null, event: 'message', data: 3 },
      { id: null, event: 'message', data: '' },
    ]);
  });

  it('that breaks off gives no half event', async () => {
    expect(await read([bytes('data: 1\n\nid: 2\ndata: 2\n')])).toEqual([
      { id: null, event: 'message', data: 1 },
    ]);
  });

  it('with an event that does not end is given up', async () => {
    await expect(read([bytes(`data: ${'x'.repeat(9 * 1024 * 1024)}`)])).rejects.toThrow(/more than 8388608/);
  });

  it('reads the same however it is cut into parts', async () => {
    const text =
      'id: 1\r\nevent: a\r\ndata: "ä€😀"\r\n\r\n: c\n\ndata: 2\n\nid: 3\rdata: {"n":\rdata: 3}\r\r';
    const whole = bytes(text);
    const wanted = await read([whole]);
    expect(wanted).toHaveLength(3);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(whole.length), { maxLength: 12 }), async (cuts) => {
        const ends = [...cuts.toSorted((a, b) => a - b), whole.length];
        const parts = ends.map((end, n) => whole.slice(n === 0 ? 0 : ends[n - 1], end));
        expect(await read(parts)).toEqual(wanted);
      }),
    );
  });
});
