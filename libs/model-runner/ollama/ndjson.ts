import { StringDecoder } from 'string_decoder';
import { ModelRunnerError } from '../model-runner-error.js';

/**
 * Cuts a byte stream into lines. A chunk may end anywhere, in the middle of a UTF-8 character too; a line that
 * grows beyond the limit is an error, because a server that never ends its line would fill the memory.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  #parts: string[] = [];
  #pendingBytes = 0;

  constructor(private readonly maxLineBytes: number) {}

  push(chunk: Buffer): string[] {
    const pieces = this.#decoder.write(chunk).split('\n');
    const last = pieces.pop() ?? '';
    const lines: string[] = [];
    for (const piece of pieces) {
      this.#parts.push(piece);
      lines.push(this.#take());
    }
    this.#parts.push(last);
    this.#pendingBytes = pieces.length > 0 ? Buffer.byteLength(last) : this.#pendingBytes + chunk.length;
    if (this.#pendingBytes > this.maxLineBytes) {
      throw new ModelRunnerError(
        'OUTPUT_TOO_LARGE',
        `a line of the answer has more than ${this.maxLineBytes} bytes`,
        {
          maxLineBytes: this.maxLineBytes,
        },
      );
    }
    return lines.filter((line) => line.trim() !== '');
  }

  /** What stands after the last line end: a whole line too, when the server left its end out. */
  end(): string[] {
    this.#parts.push(this.#decoder.end());
    const line = this.#take();
    return line.trim() === '' ? [] : [line];
  }

  #take(): string {
    const line = this.#parts.join('');
    this.#parts = [];
    this.#pendingBytes = 0;
    return line;
  }
}

/** The objects of a stream of newline-delimited JSON, in order. */
export async function* readNdjson(
  what: string,
  chunks: AsyncIterable<Buffer>,
  maxLineBytes: number,
): AsyncGenerator<Readonly<Record<string, unknown>>, void> {
  const splitter = new LineSplitter(maxLineBytes);
  for await (const chunk of chunks) {
    for (const line of splitter.push(chunk)) yield parseLine(what, line);
  }
  for (const line of splitter.end()) yield parseLine(what, line);
}

/** Enough of a bad line to recognise it by. */
const SHOWN_CHARACTERS_MAX = 200;

const parseLine = (what: string, line: string): Readonly<Record<string, unknown>> => {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return parsed as Readonly<Record<string, unknown>>;
    }
  } catch {
    // Reported below, together with JSON that is no object.
  }
  const shown = line.slice(0, SHOWN_CHARACTERS_MAX);
  throw new ModelRunnerError('MODEL_STREAM_BROKEN', `${what}: the line '${shown}' — expected a JSON object`);
};
