/** One event of a server-sent event stream. */
export type StreamEvent = { readonly id: string | null; readonly event: string; readonly data: unknown };

/** An event is a message of the broker, whose limit is 1 MiB, as JSON text. */
const EVENT_MAX_CHARS = 8 * 1024 * 1024;

/**
 * Splits a server-sent event stream (WHATWG HTML, section 9.2.6) into events; comments are passed over, and data that is not
 * JSON stays text. Rejects where an event does not end.
 */
export async function* parseEvents(body: AsyncIterable<Uint8Array> | null): AsyncIterable<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of body ?? []) {
    const { blocks, after } = blocksOf(rest + decoder.decode(part, { stream: true }), false);
    rest = after;
    yield* parsed(blocks);
    if (rest.length > EVENT_MAX_CHARS)
      throw new Error(`an event has more than ${EVENT_MAX_CHARS} characters`);
  }
  yield* parsed(blocksOf(rest + decoder.decode(), true).blocks);
}

/** Whole blocks, and what is not one yet. Until the end a return may be the first half of a line end, so it waits for what follows. */
const blocksOf = (
  text: string,
  ended: boolean,
): { readonly blocks: readonly string[]; readonly after: string } => {
  const sure = text.endsWith('\r') && !ended ? text.slice(0, -1) : text;
  const blocks = sure.replaceAll(/\r\n?/g, '\n').split('\n\n');
  const last = blocks.pop() ?? '';
  return { blocks, after: last + text.slice(sure.length) };
};

const parsed = (blocks: readonly string[]): readonly StreamEvent[] =>
  blocks.map(parseEvent).filter((event) => event !== null);

const parseEvent = (block: string): StreamEvent | null => {
  let id: string | null = null;
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'id') id = value;
    else if (name === 'event') event = value;
    else if (name === 'data') data.push(value);
  }
  return data.length === 0 ? null : { id, event, data: jsonOr(data.join('\n')) };
};

const jsonOr = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};
