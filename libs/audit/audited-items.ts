/** Items of one step as the promises have them. What is over is remembered by its place alone: a list may be long. */
export class AuditedItems {
  #total: number | null = null;
  readonly #begun = new Set<number>();
  readonly #over = new Set<number>();

  constructor(private readonly concurrency: number) {}

  /** Why it may not be said now how many there are; null where it may. */
  known(count: number): string | null {
    if (this.concurrency === 0) return 'has no list';
    if (this.#total !== null) return `has ${this.#total} already`;
    this.#total = count;
    return null;
  }

  /** Why this one may not begin; null where it may. */
  began(index: number): string | null {
    const isRepeated = this.#begun.has(index);
    this.#begun.add(index);
    if (this.#total === null) return 'though it was not said how many items there are';
    if (isRepeated) return 'though it was over';
    if (!(index < this.#total)) return `and there are ${this.#total} items`;
    const open = this.#begun.size - this.#over.size;
    return open > this.concurrency ? `as number ${open} of ${this.concurrency} that may run at once` : null;
  }

  /** Whether it was the last. */
  ended(index: number): boolean {
    this.#over.add(index);
    return this.#over.size === this.#total;
  }
}

/** Of a step that runs once. */
export const NO_ITEMS = new AuditedItems(0);
