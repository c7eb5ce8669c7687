/** Longest line that is kept whole; the rest of a longer one becomes another line. */
const LINE_MAX_CHARS = 64 * 1024;

/** Makes lines of output that comes in parts. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The lines that this part completes. */
  push(part: Uint8Array): readonly string[] {
    const lines = `${this.#rest}${this.#decoder.decode(part, { stream: true })}`.split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LINE_MAX_CHARS) {
      lines.push(this.#rest);
      this.#rest = '';
    }
    return lines;
  }

  /** What came after the last line end, or nothing. */
  end(): readonly string[] {
    const rest = `${this.#rest}${this.#decoder.decode()}`;
    this.#rest = '';
    return rest === '' ? [] : [rest];
  }
}
