/**
 * How far in `TASKS` the clients of this gateway were told of, by answers, histories and streams. Queries must see that much:
 * who has read that a task is over must not be shown that it runs.
 */
export class ToldPosition {
  #seq = 0;

  get seq(): number {
    return this.#seq;
  }

  told(seq: number): void {
    if (seq > this.#seq) this.#seq = seq;
  }
}
