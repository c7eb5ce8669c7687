import { handled } from './handled.js';

/** What was handed to a log together, and whoever waits for its storage. A promise is only made for one that is waited for. */
export class HandIn {
  #outcome: 'open' | 'stored' | Error = 'open';
  #waiting: PromiseWithResolvers<void> | null = null;

  /** `onAwaited` is called once, when the first one begins to wait while the outcome is open. */
  constructor(private readonly onAwaited: () => void = () => undefined) {}

  get isAwaited(): boolean {
    return this.#waiting !== null;
  }

  /** Resolves when all of it is stored; rejects when that will not be. */
  acknowledged(): Promise<void> {
    if (this.#outcome === 'stored') return Promise.resolve();
    if (this.#outcome !== 'open') return handled(Promise.reject(this.#outcome));
    if (this.#waiting === null) {
      this.#waiting = Promise.withResolvers<void>();
      void handled(this.#waiting.promise);
      this.onAwaited();
    }
    return this.#waiting.promise;
  }

  stored(): void {
    if (this.#outcome !== 'open') return;
    this.#outcome = 'stored';
    this.#waiting?.resolve();
  }

  failed(reason: Error): void {
    if (this.#outcome !== 'open') return;
    this.#outcome = reason;
    this.#waiting?.reject(reason);
  }
}
