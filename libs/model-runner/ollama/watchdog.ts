/** Bites when nothing has happened for the time that was last expected. It never limits a total time. */
export class Watchdog {
  #timer: NodeJS.Timeout | undefined;
  /** What did not come, and for how long it was waited for; set once, when it bites. */
  expired: { readonly awaited: string; readonly ms: number } | undefined;

  constructor(private readonly bite: () => void) {}

  /** Something happened: from now on the next thing has `ms` milliseconds. */
  expect(ms: number, awaited: string): void {
    if (this.expired) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.expired = { awaited, ms };
      this.bite();
    }, ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
