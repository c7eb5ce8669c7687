import { describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/transport-node';
import { headersOf } from './message-headers.js';

const received = (block: string, payload = '{"a":1}') => ({
  headers: undefined,
  msg: { _msg: { hdr: Buffer.byteLength(block) }, _rdata: Buffer.from(block + payload) },
});

describe('headers of a received message', () => {
  it('are found by their exact names', () => {
    const header = headersOf(received('NATS/1.0\r\nce-id: a:b\r\nNats-Msg-Id:  7 \r\nce-type: x.y\r\n\r\n'));
    expect([header('ce-id'), header('Nats-Msg-Id'), header('ce-type')]).toEqual(['a:b', '7', 'x.y']);
    expect([header('CE-ID'), header('none'), header('')]).toEqual(['', '', '']);
  });

  it('are not looked for in the payload', () => {
    const header = headersOf(received('NATS/1.0\r\nce-id: 1\r\n\r\n', '\r\nce-type: forged\r\n'));
    expect(header('ce-type')).toBe('');
  });

  it('count once, the first of them', () =>
    expect(headersOf(received('NATS/1.0\r\na: 1\r\na: 2\r\n\r\n'))('a')).toBe('1'));

  it('may be missing, or hold only a status', () => {
    expect(headersOf({ ...received(''), headers: undefined })('a')).toBe('');
    expect(headersOf(received('NATS/1.0 408 Request Timeout\r\n\r\n', ''))('a')).toBe('');
    expect(headersOf({})('a')).toBe('');
  });

  it('are read from the client’s own object where its inside is not as expected', () => {
    const known = headers();
    known.set('ce-id', 'x');
    expect(headersOf({ headers: known })('ce-id')).toBe('x');
  });
});
