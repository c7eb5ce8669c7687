import { FOR_EVER_MS, type KeepAliveMs } from './keep-alive.js';
import { type SimModel } from './catalogue.js';
import type { RunOptions } from './runner-options.js';
import type { SimClock } from './sim-clock.js';
import { Slots } from './slots.js';

/**
 * One loaded model. It is in use while requests refer to it; when the last one ends, its clock starts: `keepAliveMs`
 * later it goes, at once when that is 0. A request that arrives stops the clock.
 */
export class SimRunner {
  readonly slots: Slots;
  readonly gone: Promise<void>;
  readonly loadedAt = new Date();
  refs = 0;
  unloading = false;
  /** Was told to go. */
  doomed = false;
  /** When it goes; undefined until it has been idle for the first time. */
  #expiresAt: Date | undefined;
  #timer: NodeJS.Timeout | undefined;
  #setGone: () => void = () => undefined;

  constructor(
    readonly model: SimModel,
    readonly options: RunOptions['runner'],
    readonly memory: { readonly sizeBytes: number; readonly vramBytes: number },
    parallel: number,
    public keepAliveMs: KeepAliveMs,
    private readonly clock: SimClock,
    private readonly expire: (runner: SimRunner) => void,
  ) {
    this.slots = new Slots(parallel);
    this.gone = new Promise((resolve) => (this.#setGone = resolve));
  }

  /** The last writer wins: a request that names a keep-alive sets it for everybody. */
  use(keepAliveMs: KeepAliveMs | undefined): () => void {
    this.refs += 1;
    clearTimeout(this.#timer);
    if (keepAliveMs !== undefined) this.keepAliveMs = keepAliveMs;
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  /** To be unloaded as soon as nobody uses it. */
  doom(): void {
    clearTimeout(this.#timer);
    this.doomed = true;
    this.keepAliveMs = 0;
    if (this.refs <= 0) this.expire(this);
  }

  markExpired(): void {
    this.#expiresAt = new Date();
  }

  /** As `ps` shows it: a runner that was never idle gets a new moment at every look. */
  get expiresAt(): Date {
    return this.#expiresAt ?? this.#expiry();
  }

  setGone(): void {
    clearTimeout(this.#timer);
    this.#setGone();
  }

  #release(): void {
    this.refs -= 1;
    if (this.refs > 0) return;
    if (this.keepAliveMs <= 0) return this.expire(this);
    this.#expiresAt = this.#expiry();
    clearTimeout(this.#timer);
    if (this.keepAliveMs !== Infinity)
      this.#timer = this.clock.after(this.keepAliveMs, () => this.expire(this));
  }

  #expiry(): Date {
    return this.keepAliveMs === Infinity
      ? new Date(Date.now() + FOR_EVER_MS)
      : this.clock.dateIn(this.keepAliveMs);
  }
}
