/** The parallel slots of one loaded model: first come, first served, and no limit on who waits. */
export class Slots {
  #busy = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly size: number) {}

  get busy(): number {
    return this.#busy;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves with the release, which may be called more than once. */
  async take(signal: AbortSignal): Promise<() => void> {
    if (this.#busy >= this.size) await this.#turn(signal);
    else this.#busy += 1;
    let held = true;
    return () => {
      if (held) this.#pass();
      held = false;
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onTurn = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(onTurn), 1);
        reject(signal.reason as Error);
      };
      if (signal.aborted) return reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(onTurn);
    });
  }

  /** The slot goes straight to the next one in line, so that nobody can slip in between. */
  #pass(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#busy -= 1;
  }
}
