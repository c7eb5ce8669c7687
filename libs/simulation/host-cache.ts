/** The page cache of a host: whole files, the least recently read goes first. Starts empty. */
export class HostCache {
  readonly #files = new Map<string, number>();
  #usedBytes = 0;

  constructor(private readonly sizeBytes: number) {}

  has(file: string): boolean {
    return this.#files.has(file);
  }

  /** After a file was read. One that is larger than the cache pushes everything out and does not stay itself. */
  read(file: string, bytes: number): void {
    this.#drop(file);
    this.#files.set(file, bytes);
    this.#usedBytes += bytes;
    for (const oldest of this.#files.keys()) {
      if (this.#usedBytes <= this.sizeBytes) return;
      this.#drop(oldest);
    }
  }

  #drop(file: string): void {
    this.#usedBytes -= this.#files.get(file) ?? 0;
    this.#files.delete(file);
  }
}
