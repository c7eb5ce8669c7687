import { NO_SECRETS, type ByteRedactor, type Redactor } from '#libs/secrets/redactor.js';

/** The beginning of what a program writes, and its last words; what lies between is counted and dropped. */
export class OutputCapture {
  readonly #parts: Buffer[] = [];
  #kept = 0;
  #last = Buffer.alloc(0);
  readonly #redactor: ByteRedactor;
  bytes = 0;
  #clean = 0;

  /** Secrets are taken out before anything is cut. */
  constructor(
    private readonly maxBytes: number,
    redactor: Redactor = NO_SECRETS,
  ) {
    this.#redactor = redactor.bytes();
  }

  push(part: Buffer): void {
    this.bytes += part.length;
    this.#keep(this.#redactor.push(part));
  }

  /** Nothing more comes. */
  end(): void {
    this.#keep(this.#redactor.end());
  }

  #keep(part: Buffer): void {
    this.#clean += part.length;
    this.#last = Buffer.concat([this.#last, part.subarray(-LAST_BYTES)]).subarray(-LAST_BYTES);
    const room = this.maxBytes - this.#kept;
    if (room <= 0) return;
    const kept = part.subarray(0, room);
    this.#parts.push(kept);
    this.#kept += kept.length;
  }

  get truncated(): boolean {
    return this.#clean > this.#kept;
  }

  /** What is no UTF-8 becomes U+FFFD; a character that was cut in two is left out. */
  get text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#parts), { stream: this.truncated });
  }

  /** For messages. */
  get lastWords(): string {
    return this.#last
      .toString()
      .replace(/^\uFFFD+/, '')
      .trim();
  }
}

const LAST_BYTES = 600;
