import { MESSAGE_MAX_BYTES } from '#libs/contracts/streams.js';
import type { MsgHdrs } from '@nats-io/transport-node';
import { eventHash } from './event-hash.js';
import { EventTooLargeError, LogCorruptError, type NewEvent, type StoredEvent } from './event-log.js';
import type { HeaderLookup } from './jetstream/message-headers.js';

/**
 * CloudEvents 1.0 in binary mode over NATS (NATS protocol binding 1.0.3-wip): attributes are `ce-*` headers, the payload is the
 * data as JSON. Extensions are lower-case letters and digits, as the specification wants them.
 */
const SOURCE = '/ai-task-orchestra';

/** Characters that a header value may hold as they are: printable ASCII without space, quote and percent (binding, section 3.1.3.2). */
const PLAIN = /^[\x21\x23\x24\x26-\x7e]*$/;
const SPECIAL = /[^\x21\x23\x24\x26-\x7e]+/g;

export const encodeValue = (value: string): string =>
  PLAIN.test(value) ? value : value.replace(SPECIAL, percent);

const percent = (text: string): string =>
  [...new TextEncoder().encode(text)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');

/** A value that is not well encoded is kept as it stands: it is damage, and the hash chain shows it. */
export const decodeValue = (value: string): string => {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
};

const SUBJECT = /^[^\s*>.\p{Cc}]+(\.[^\s*>.\p{Cc}]+)*$/u;

/**
 * Throws a `RangeError` for what the protocol cannot carry as it is: the broker and readers compare ids and types byte by byte, so
 * these are refused rather than encoded.
 */
export const checkSendable = (
  message: { readonly id: string; readonly subject: string },
  type = '-',
): void => {
  if (!SUBJECT.test(message.subject)) {
    throw new RangeError(
      `${JSON.stringify(message.subject)} is no subject; accepted are tokens without space, * and >, joined by dots`,
    );
  }
  for (const [name, value] of [
    ['id', message.id],
    ['type', type],
  ] as const) {
    if (value !== '' && PLAIN.test(value)) continue;
    throw new RangeError(
      `${JSON.stringify(value)} cannot be the ${name} of a message on ${message.subject}; accepted are printable ASCII ` +
        'characters without space, quote and percent',
    );
  }
};

export type Guard = { readonly lastSeq: number; readonly lastMsgId: string | null };

/**
 * The whole header block as one string. The client's header object validates and canonicalises each of a dozen headers, which
 * cost two thirds of the append rate; only `encode` of it is ever called on the way out.
 */
export const eventHeaders = (
  event: NewEvent,
  epoch: number,
  prevHash: string,
  guard: Guard | null,
): MsgHdrs => rawHeaders(headerBlock(event, epoch, prevHash, guard));

export const headerBlock = (
  event: NewEvent,
  epoch: number,
  prevHash: string,
  guard: Guard | null,
): string => {
  let block = `NATS/1.0\r\nNats-Msg-Id: ${event.id}\r\n`;
  if (guard) block += `Nats-Expected-Last-Sequence: ${guard.lastSeq}\r\n`;
  if (guard?.lastMsgId) block += `Nats-Expected-Last-Msg-Id: ${guard.lastMsgId}\r\n`;
  block += `ce-specversion: 1.0\r\nce-id: ${event.id}\r\nce-source: ${SOURCE}\r\nce-type: ${event.type}\r\n`;
  block += `ce-time: ${encodeValue(event.time)}\r\nce-datacontenttype: application/json\r\nce-dataversion: ${event.version}\r\n`;
  block += `ce-epoch: ${epoch}\r\nce-prevhash: ${prevHash}\r\n`;
  if (event.taskId !== undefined) block += `ce-subject: ${encodeValue(event.taskId)}\r\n`;
  if (event.workspace !== undefined) block += `ce-workspace: ${encodeValue(event.workspace)}\r\n`;
  if (event.correlationId !== undefined) block += `ce-correlationid: ${encodeValue(event.correlationId)}\r\n`;
  if (event.causationId !== undefined) block += `ce-causationid: ${encodeValue(event.causationId)}\r\n`;
  if (event.traceparent !== undefined) block += `ce-traceparent: ${encodeValue(event.traceparent)}\r\n`;
  return `${block}\r\n`;
};

const ENCODER = new TextEncoder();

export const cloudPayload = (event: NewEvent): string => JSON.stringify(event.data) ?? 'null';

/** The payload of a request that can be sent. Throws `RangeError` for one that cannot. */
export const checkedJson = (
  stream: string,
  message: { readonly id: string; readonly subject: string; readonly data: unknown },
): string => {
  checkSendable(message);
  const payload = JSON.stringify(message.data) ?? 'null';
  const bytes = Buffer.byteLength(payload);
  if (bytes <= MESSAGE_MAX_BYTES) return payload;
  throw new RangeError(
    `${stream}: message ${message.id} has ${bytes} bytes, at most ${MESSAGE_MAX_BYTES} are accepted`,
  );
};

/** The payload of an event that can be sent. Throws `RangeError` or `EventTooLargeError` for one that cannot. */
export const checkedPayload = (stream: string, event: NewEvent): string => {
  checkSendable(event, event.type);
  const payload = cloudPayload(event);
  // A character is three bytes at most, so most payloads need no counting.
  if (payload.length * 3 <= MESSAGE_MAX_BYTES) return payload;
  const bytes = Buffer.byteLength(payload);
  if (bytes <= MESSAGE_MAX_BYTES) return payload;
  throw new EventTooLargeError(
    `${stream}: the data of ${event.type} ${event.id} has ${bytes} bytes, at most ${MESSAGE_MAX_BYTES} are accepted`,
  );
};

/** Something that the client can encode; nothing else of the interface is used for publishing. */
export const rawHeaders = (block: string): MsgHdrs =>
  ({ encode: () => ENCODER.encode(block) }) as unknown as MsgHdrs;

export type RawMessage = {
  readonly seq: number;
  readonly subject: string;
  readonly header: HeaderLookup;
  readonly payload: string;
};

/** Reads a stored event. A message that is no event of ours is damage: truth streams hold nothing else. */
export const decodeEvent = (message: RawMessage, stream: string): StoredEvent => {
  const { header: get, seq, subject, payload } = message;
  const id = get('ce-id');
  const epoch = Number(get('ce-epoch'));
  if (id === '' || !Number.isInteger(epoch)) {
    throw new LogCorruptError(
      `${stream}: message ${seq} on ${subject} is no event (no ce-id or ce-epoch header)`,
    );
  }
  const optional = (name: string, header: string): object => {
    const value = get(header);
    return value === '' ? {} : { [name]: decodeValue(value) };
  };
  const event: NewEvent = {
    id,
    type: get('ce-type'),
    version: Number(get('ce-dataversion')),
    subject,
    time: decodeValue(get('ce-time')),
    data: parse(payload, stream, seq),
    ...optional('taskId', 'ce-subject'),
    ...optional('workspace', 'ce-workspace'),
    ...optional('correlationId', 'ce-correlationid'),
    ...optional('causationId', 'ce-causationid'),
    ...optional('traceparent', 'ce-traceparent'),
  };
  const prevHash = get('ce-prevhash');
  return { ...event, seq, epoch, prevHash, hash: eventHash(prevHash, event, epoch, payload) };
};

const parse = (payload: string, stream: string, seq: number): unknown => {
  try {
    return JSON.parse(payload);
  } catch (error) {
    throw new LogCorruptError(`${stream}: the data of event ${seq} is not JSON`, { cause: error });
  }
};
