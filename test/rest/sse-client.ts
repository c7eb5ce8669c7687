/** One server-sent event as it came. */
export type SseEvent = { readonly id: string | null; readonly event: string; readonly data: unknown };

/** Reads a stream of server-sent events as a browser would, pings left out. */
export class SseClient {
  readonly events: SseEvent[] = [];
  #wake: () => void = () => undefined;
  #ended = false;

  private constructor(
    readonly status: number,
    private readonly stopReading: AbortController,
  ) {}

  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<SseClient> {
    const stop = new AbortController();
    const response = await fetch(url, { headers, signal: stop.signal });
    const client = new SseClient(response.status, stop);
    void client.#read(response.body);
    return client;
  }

  /** Resolves with the first event that fits. */
  async until(fits: (event: SseEvent) => boolean): Promise<SseEvent> {
    for (;;) {
      const found = this.events.find(fits);
      if (found) return found;
      if (this.#ended) throw new Error(`the stream ended without it; it had ${JSON.stringify(this.events)}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Resolves with all events when the server has ended the stream. */
  async all(): Promise<readonly SseEvent[]> {
    while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.events;
  }

  close(): void {
    this.stopReading.abort();
  }

  async #read(body: ReadableStream<Uint8Array> | null): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const part of body ?? []) {
        rest += decoder.decode(part, { stream: true });
        const blocks = rest.split('\n\n');
        rest = blocks.pop() ?? '';
        this.events.push(...blocks.flatMap(eventOf));
        this.#wake();
      }
    } catch {
      // Closed from this side, or the connection broke: both end the stream.
    }
    this.#ended = true;
    this.#wake();
  }
}

const eventOf = (block: string): readonly SseEvent[] => {
  const fields = new Map(
    block.split('\n').map((line) => [line.split(': ', 1)[0], line.slice(line.indexOf(': ') + 2)]),
  );
  const data = fields.get('data');
  if (data === undefined) return [];
  return [{ id: fields.get('id') ?? null, event: fields.get('event') ?? 'message', data: JSON.parse(data) }];
};
