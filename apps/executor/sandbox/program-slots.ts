import { StepError } from '../step-error.js';

/** Programs that may run at once; who finds no slot waits, first come, first served. */
export class ProgramSlots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(slots: number) {
    this.#free = slots;
  }

  /** Resolves with what gives the slot back; rejects when the signal aborts first. */
  async take(signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw new StepError('RUN_ABORTED', 'aborted before the program began');
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(signal);
    return () => this.#give();
  }

  async #turn(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', aborted);
        resolve();
      };
      const aborted = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(new StepError('RUN_ABORTED', 'aborted while other programs ran'));
      };
      signal.addEventListener('abort', aborted, { once: true });
      this.#waiting.push(go);
    });
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
