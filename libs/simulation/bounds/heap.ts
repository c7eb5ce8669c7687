/** A binary heap; `isBefore` says what comes out first. */
export class Heap<T> {
  private readonly items: T[] = [];

  constructor(private readonly isBefore: (a: T, b: T) => boolean) {}

  get size(): number {
    return this.items.length;
  }

  peek(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    this.items.push(item);
    for (let child = this.items.length - 1; child > 0;) {
      const parent = (child - 1) >>> 1;
      if (!this.swapIfBefore(child, parent)) return;
      child = parent;
    }
  }

  pop(): T | undefined {
    const top = this.items[0];
    const last = this.items.pop();
    if (last === undefined || this.items.length === 0) return top;
    this.items[0] = last;
    for (let parent = 0; ;) {
      const left = 2 * parent + 1;
      const child = this.comesBefore(left + 1, left) ? left + 1 : left;
      if (!this.swapIfBefore(child, parent)) return top;
      parent = child;
    }
  }

  private comesBefore(a: number, b: number): boolean {
    const [first, second] = [this.items[a], this.items[b]];
    return first !== undefined && second !== undefined && this.isBefore(first, second);
  }

  private swapIfBefore(a: number, b: number): boolean {
    const [first, second] = [this.items[a], this.items[b]];
    if (first === undefined || second === undefined || !this.isBefore(first, second)) return false;
    this.items[a] = second;
    this.items[b] = first;
    return true;
  }
}
