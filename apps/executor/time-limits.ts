import type { Attempt, TimeLimit } from './attempt.js';

/** Ends an attempt that takes longer than its step may, or of which nothing is heard for longer than it may. */
export class TimeLimits {
  readonly #timeout: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(private readonly attempt: Attempt) {
    this.#timeout = this.#after('timeoutMs');
    this.#silence = this.#after('noProgressMs');
  }

  /** A token, or a word of progress. */
  heard(): void {
    if (this.#silence === undefined) return;
    clearTimeout(this.#silence);
    this.#silence = this.#after('noProgressMs');
  }

  stop(): void {
    clearTimeout(this.#timeout);
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  #after(limit: TimeLimit): NodeJS.Timeout | undefined {
    const ms = this.attempt.dispatch[limit];
    return ms === undefined ? undefined : setTimeout(() => this.#over(limit), ms);
  }

  #over(limit: TimeLimit): void {
    this.stop();
    if (this.attempt.ending !== null) return;
    this.attempt.ending = limit;
    this.attempt.abort.abort();
  }
}
