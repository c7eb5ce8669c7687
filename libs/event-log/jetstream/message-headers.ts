import type { MsgHdrs } from '@nats-io/transport-node';

/** The value of a header by its exact name; empty where there is none. */
export type HeaderLookup = (name: string) => string;

export const lookupIn =
  (headers: MsgHdrs | undefined): HeaderLookup =>
  (name) =>
    headers?.get(name) ?? '';

type WithHeaders = { readonly headers?: MsgHdrs | undefined };

/** Where the client keeps what the server sent: the header block, then the payload. */
type Inside = { readonly msg?: { readonly _msg?: { readonly hdr?: number }; readonly _rdata?: unknown } };

/**
 * Headers of a received message. The client's own header object canonicalises every name and searches a list for every value,
 * which is a third of what reading an event costs; the block is plain text and ours, so it is read as such. Where the
 * client's inside is not as expected, its header object is asked.
 */
export const headersOf = (message: WithHeaders): HeaderLookup => {
  const { _msg, _rdata } = (message as Inside).msg ?? {};
  const length = _msg?.hdr;
  if (!(_rdata instanceof Uint8Array) || length === undefined) return lookupIn(message.headers);
  const found = parsed(Buffer.from(_rdata.buffer, _rdata.byteOffset, Math.max(0, length)).toString('utf8'));
  return (name) => found.get(name) ?? '';
};

/** A status line, then `name: value` lines up to an empty one. The first of several with one name counts. */
const parsed = (block: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  let start = block.indexOf('\r\n') + 2;
  for (let end = block.indexOf('\r\n', start); end > start; end = block.indexOf('\r\n', start)) {
    const colon = block.indexOf(':', start);
    if (colon > start && colon < end) {
      const name = block.slice(start, colon);
      if (!found.has(name)) found.set(name, block.slice(colon + 1, end).trim());
    }
    start = end + 2;
  }
  return found;
};
