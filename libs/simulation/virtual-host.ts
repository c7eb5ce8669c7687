import type { Host } from './hardware.js';
import { HostCache } from './host-cache.js';
import type { VirtualClock } from './virtual-clock.js';

type Reader = { readonly file: string; readonly bytes: number; leftBytes: number; readonly done: () => void };

/**
 * Reads model files for the servers of one host. What is in the page cache comes at the speed of memory; all that is
 * not shares the disk equally. Two servers that read one file at the same time both read it from the disk.
 */
export class VirtualHost {
  readonly #cache: HostCache;
  #readers: readonly Reader[] = [];
  #advancedAtMs = 0;
  #cancelNext = (): void => {};

  constructor(
    private readonly clock: VirtualClock,
    private readonly host: Host,
  ) {
    this.#cache = new HostCache(host.pageCacheBytes);
  }

  /** The returned function gives the read up: what is not read whole does not stay in the cache. */
  read(file: string, bytes: number, done: () => void): () => void {
    if (this.#cache.has(file)) {
      this.#cache.read(file, bytes);
      return this.clock.after((bytes / this.host.warmBytesPerS) * 1_000, done);
    }
    const reader: Reader = { file, bytes, leftBytes: bytes, done };
    this.#advance();
    this.#readers = [...this.#readers, reader];
    this.#expectNext();
    return () => {
      this.#advance();
      this.#readers = this.#readers.filter((other) => other !== reader);
      this.#expectNext();
    };
  }

  #bytesPerMs(): number {
    return this.host.diskBytesPerS / 1_000 / this.#readers.length;
  }

  #advance(): void {
    const elapsedMs = this.clock.nowMs - this.#advancedAtMs;
    this.#advancedAtMs = this.clock.nowMs;
    if (this.#readers.length === 0) return;
    const readBytes = elapsedMs * this.#bytesPerMs();
    for (const reader of this.#readers) reader.leftBytes -= readBytes;
  }

  #expectNext(): void {
    this.#cancelNext();
    const [first, ...others] = this.#readers;
    if (first === undefined) return;
    const next = others.reduce(
      (least, reader) => (reader.leftBytes < least.leftBytes ? reader : least),
      first,
    );
    this.#cancelNext = this.clock.after(next.leftBytes / this.#bytesPerMs(), () => this.#finish(next));
  }

  #finish(reader: Reader): void {
    this.#advance();
    this.#readers = this.#readers.filter((other) => other !== reader);
    this.#cache.read(reader.file, reader.bytes);
    this.#expectNext();
    reader.done();
  }
}
