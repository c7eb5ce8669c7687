import { setTimeout as delay } from 'timers/promises';

/**
 * Simulated time. With a scale of 10 everything that the simulated server does takes a tenth of its time, and the
 * durations that it reports are those of the simulated machine.
 */
export class SimClock {
  readonly #startedAt = performance.now();

  /** `timeScale`: simulated seconds per real second. */
  constructor(readonly timeScale: number) {
    if (!(timeScale > 0)) throw new RangeError(`timeScale ${timeScale} — expected a number above 0`);
  }

  /** Simulated milliseconds since the start. */
  nowMs(): number {
    return (performance.now() - this.#startedAt) * this.timeScale;
  }

  /** The real moment at which something happens that is `simulatedMs` away. */
  dateIn(simulatedMs: number): Date {
    return new Date(Date.now() + simulatedMs / this.timeScale);
  }

  /** Waits; rejects with the signal's reason when it is aborted. */
  async sleep(simulatedMs: number, signal?: AbortSignal): Promise<void> {
    await delay(Math.max(0, simulatedMs) / this.timeScale, undefined, signal === undefined ? {} : { signal });
  }

  after(simulatedMs: number, action: () => void): NodeJS.Timeout {
    return setTimeout(action, Math.min(simulatedMs / this.timeScale, LONGEST_TIMEOUT_MS));
  }
}

/** Node fires a timer at once when its delay does not fit into 31 bits. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
