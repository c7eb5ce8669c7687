/**
 * For how much longer later work may be put before the tasks of a queue.
 *
 * Each place of the queue is a task, in the order of submission; one that gave its place up stands behind those that were there then. It has the work that it still is (pessimistic, in milliseconds of
 * one server) and, while a step of it waits, the latest moment: when it became ready, plus its allowance, plus the work
 * that was ahead of it then. What may still be put before it is `latest - now - work ahead of it now`: it shrinks while later work
 * is done, and stays as it is while earlier work is. So whatever the length of the queue, waiting for one's turn uses up nothing.
 *
 * A segment tree with, per node, the work in it and the least `latest - work ahead within the node`: O(log n) per change,
 * O(1) to see whether anybody has been overtaken long enough.
 */
export class Overtaking {
  #capacity: number;
  #work: Float64Array;
  #least: Float64Array;
  /** The owner of each place, in order; null once it is gone. */
  #owners: (string | null)[] = [];
  readonly #placeOf = new Map<string, number>();

  constructor(capacity = 64) {
    this.#capacity = capacity;
    this.#work = new Float64Array(2 * capacity);
    this.#least = new Float64Array(2 * capacity).fill(Infinity);
  }

  /** All work in the queue, in milliseconds. */
  get workMs(): number {
    return this.#work[1] ?? 0;
  }

  /** Owners come in the order of submission. */
  put(owner: string, workMs: number, latestMs: number): void {
    let place = this.#placeOf.get(owner);
    if (place === undefined) {
      if (this.#owners.length === this.#capacity) this.#makeRoom();
      place = this.#owners.length;
      this.#owners.push(owner);
      this.#placeOf.set(owner, place);
    }
    this.#set(place, workMs, latestMs);
  }

  remove(owner: string): void {
    const place = this.#placeOf.get(owner);
    if (place === undefined) return;
    this.#placeOf.delete(owner);
    this.#owners[place] = null;
    this.#set(place, 0, Infinity);
  }

  workOfMs(owner: string): number {
    const place = this.#placeOf.get(owner);
    return place === undefined ? 0 : (this.#work[place + this.#capacity] ?? 0);
  }

  /** Work of all that were submitted before this one; all there is for one that is not known. */
  workAheadMs(owner: string): number {
    const place = this.#placeOf.get(owner);
    if (place === undefined) return this.workMs;
    let ahead = 0;
    for (let node = place + this.#capacity; node > 1; node >>= 1) {
      if (node % 2 === 1) ahead += this.#work[node - 1] ?? 0;
    }
    return ahead;
  }

  /** The one with the least left, and that moment less the work ahead of it; null when nobody waits. */
  most(): { readonly owner: string; readonly latestMs: number } | null {
    const latestMs = this.#least[1] ?? Infinity;
    if (latestMs === Infinity) return null;
    let node = 1;
    while (node < this.#capacity) {
      const left = 2 * node;
      node = (this.#least[left] ?? Infinity) <= this.#rightOf(node) ? left : left + 1;
    }
    const owner = this.#owners[node - this.#capacity];
    return owner === null || owner === undefined ? null : { owner, latestMs };
  }

  /** `latest - work ahead within the node` of the best in the right half of a node. */
  #rightOf(node: number): number {
    return (this.#least[2 * node + 1] ?? Infinity) - (this.#work[2 * node] ?? 0);
  }

  #set(place: number, workMs: number, latestMs: number): void {
    let node = place + this.#capacity;
    this.#work[node] = workMs;
    this.#least[node] = latestMs;
    for (node >>= 1; node >= 1; node >>= 1) {
      this.#work[node] = (this.#work[2 * node] ?? 0) + (this.#work[2 * node + 1] ?? 0);
      this.#least[node] = Math.min(this.#least[2 * node] ?? Infinity, this.#rightOf(node));
    }
  }

  /** Closes the gaps of those that are gone, or doubles where there are few: O(1) per place over time. */
  #makeRoom(): void {
    const kept = this.#owners.flatMap((owner, place) =>
      owner === null
        ? []
        : [
            {
              owner,
              work: this.#work[place + this.#capacity] ?? 0,
              latest: this.#least[place + this.#capacity] ?? 0,
            },
          ],
    );
    if (kept.length > this.#capacity / 2) this.#capacity *= 2;
    this.#work = new Float64Array(2 * this.#capacity);
    this.#least = new Float64Array(2 * this.#capacity).fill(Infinity);
    this.#owners = kept.map(({ owner }) => owner);
    this.#placeOf.clear();
    for (const [place, { owner, work, latest }] of kept.entries()) {
      this.#placeOf.set(owner, place);
      this.#work[place + this.#capacity] = work;
      this.#least[place + this.#capacity] = latest;
    }
    for (let node = this.#capacity - 1; node >= 1; node -= 1) {
      this.#work[node] = (this.#work[2 * node] ?? 0) + (this.#work[2 * node + 1] ?? 0);
      this.#least[node] = Math.min(this.#least[2 * node] ?? Infinity, this.#rightOf(node));
    }
  }
}
