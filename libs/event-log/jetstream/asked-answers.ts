/** Appends sent at most before one asks for an answer, whoever waits: the window must not fill up. */
const ASK_EVERY = 64;

/** Which of the appends that went out have an answer coming. One answer proves all appends up to its own. */
export class AskedAnswers {
  #seq = 0;
  #unasked = 0;
  #unaskedSinceMs = 0;

  /** Whether an answer was asked for that proves the append at this sequence. */
  prove(seq: number): boolean {
    return seq <= this.#seq;
  }

  /** The next append should ask, even if nobody waits for it. */
  get areDue(): boolean {
    return this.#unasked >= ASK_EVERY - 1;
  }

  /** Appends went out so long ago and no answer is coming for them. */
  areMissing(nowMs: number, lookAfterMs: number): boolean {
    return this.#unasked > 0 && nowMs - this.#unaskedSinceMs >= lookAfterMs;
  }

  sent(seq: number, asks: boolean, nowMs: number): void {
    if (asks) this.#seq = seq;
    else if (this.#unasked === 0) this.#unaskedSinceMs = nowMs;
    this.#unasked = asks ? 0 : this.#unasked + 1;
  }

  /** None will come any more, or none is needed. */
  forget(): void {
    this.#seq = 0;
    this.#unasked = 0;
  }
}
