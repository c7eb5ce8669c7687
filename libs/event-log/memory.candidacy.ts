import type { Candidacy, Held } from './leadership.js';
import { WakeUp } from './wake-up.js';

/** An office in this process, for tests: one holds it at a time, and the test can take it away. */
export class MemoryOffice {
  readonly #freed = new WakeUp();
  #depose: ((reason: Error) => void) | null = null;
  holder: string | null = null;

  candidacy(node: string): Candidacy {
    return {
      acquire: async (signal) => {
        while (this.holder !== null && !signal.aborted) await this.#freed.next(signal);
        if (signal.aborted) throw new Error(`${node} is no longer a candidate`);
        return this.#hold(node);
      },
    };
  }

  /** The holder is no longer heard of: the office is free, and the holder learns of it later or never. */
  vacate(tellHolder: boolean): void {
    const reason = new Error(`${this.holder ?? 'nobody'} was not heard of`);
    if (tellHolder) this.#depose?.(reason);
    this.holder = null;
    this.#freed.ring();
  }

  #hold(node: string): Held {
    this.holder = node;
    const { promise: lost, resolve } = Promise.withResolvers<Error>();
    this.#depose = resolve;
    return {
      lost,
      release: async () => {
        if (this.#depose !== resolve) return;
        this.vacate(false);
      },
    };
  }
}
