import type { PresentReply, PresentRequest } from '#libs/contracts/lease-rpc.js';
import type { LeaseId } from '#libs/domain/ids.js';
import type { Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Attempt } from './attempt.js';

export type LeaseKeeperOptions = {
  readonly executorId: string;
  readonly present: (request: PresentRequest) => Promise<PresentReply>;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Until the allocator has said what the time to live is; its least allowed value. */
const TTL_UNKNOWN_MS = 500;

/** A token that was not accepted yet is presented again after this. */
const TAKE_AGAIN_MS = 200;

/** An attempt stops this share of its time to live before the lease can expire: the slot is not used by two at once. */
const STOP_AT_SHARE = 0.8;

type Taking = { readonly attempt: Attempt; readonly resolve: (taken: boolean) => void };

/**
 * Presents the tokens of all attempts of this executor: new ones at once and together, running ones three times per time to
 * live. An attempt whose token is stale, or that could not be renewed in time, is aborted: its slot may be someone else's.
 */
export class LeaseKeeper {
  readonly #held = new Map<LeaseId, Attempt>();
  #taking: Taking[] = [];
  #ttlMs = TTL_UNKNOWN_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  lastRenewedMs = 0;

  constructor(private readonly options: LeaseKeeperOptions) {}

  get held(): number {
    return this.#held.size;
  }

  /** Resolves with true when the attempt may run, with false when its lease is not current. */
  async take(attempt: Attempt): Promise<boolean> {
    return await new Promise((resolve) => {
      if (this.#taking.length === 0) setImmediate(() => void this.#presentNew());
      this.#taking.push({ attempt, resolve });
    });
  }

  drop(leaseId: LeaseId): void {
    this.#held.delete(leaseId);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { resolve } of this.#taking) resolve(false);
    this.#taking = [];
  }

  async #presentNew(): Promise<void> {
    const taking = this.#taking;
    this.#taking = [];
    const reply = await this.#present(taking.map(({ attempt }) => attempt));
    if (this.#closed) return taking.forEach(({ resolve }) => resolve(false));
    const accepted = new Set(reply?.accepted);
    const stale = new Set(reply?.stale);
    const again: Taking[] = [];
    for (const entry of taking) {
      const { leaseId } = entry.attempt.dispatch.lease;
      if (accepted.has(leaseId)) {
        this.#hold(entry.attempt);
        entry.resolve(true);
      } else if (stale.has(leaseId) || entry.attempt.ending !== null) {
        entry.resolve(false);
      } else {
        again.push(entry);
      }
    }
    if (again.length > 0) setTimeout(() => this.#again(again), TAKE_AGAIN_MS);
  }

  #again(entries: readonly Taking[]): void {
    if (this.#closed) return entries.forEach(({ resolve }) => resolve(false));
    if (this.#taking.length === 0) setImmediate(() => void this.#presentNew());
    this.#taking.push(...entries);
  }

  #hold(attempt: Attempt): void {
    attempt.taken = true;
    attempt.deadlineMs = this.options.clock.nowMs() + this.#ttlMs * STOP_AT_SHARE;
    this.#held.set(attempt.dispatch.lease.leaseId, attempt);
    this.#timer ??= setTimeout(() => void this.#renew(), this.#ttlMs / 3);
  }

  async #renew(): Promise<void> {
    const sentMs = this.options.clock.nowMs();
    const attempts = [...this.#held.values()];
    const reply = attempts.length > 0 ? await this.#present(attempts) : null;
    if (this.#closed) return;
    for (const leaseId of reply?.accepted ?? []) {
      const attempt = this.#held.get(leaseId);
      // Counted from before the request: the allocator's time to live began no earlier than that.
      if (attempt) attempt.deadlineMs = sentMs + this.#ttlMs * STOP_AT_SHARE;
    }
    for (const leaseId of reply?.stale ?? []) this.#lose(leaseId, 'its token is stale');
    const nowMs = this.options.clock.nowMs();
    for (const [leaseId, { deadlineMs }] of this.#held) {
      if (deadlineMs <= nowMs) this.#lose(leaseId, 'it could not be renewed in time');
    }
    if (reply) this.lastRenewedMs = nowMs;
    this.#timer = this.#held.size > 0 ? setTimeout(() => void this.#renew(), this.#ttlMs / 3) : undefined;
  }

  #lose(leaseId: LeaseId, why: string): void {
    const attempt = this.#held.get(leaseId);
    if (attempt === undefined) return;
    this.#held.delete(leaseId);
    this.options.logger.warn({ taskId: attempt.dispatch.taskId, leaseId }, `lease lost: ${why}`);
    attempt.ending ??= 'lease-lost';
    attempt.abort.abort();
  }

  async #present(attempts: readonly Attempt[]): Promise<PresentReply | null> {
    const leases = attempts.map(({ dispatch, taken }) => ({
      leaseId: dispatch.lease.leaseId,
      token: dispatch.lease.token,
      taking: !taken,
    }));
    try {
      const reply = await this.options.present({ executorId: this.options.executorId, leases });
      this.#ttlMs = reply.ttlMs;
      return reply;
    } catch (error) {
      this.options.logger.warn(
        { error: String(error), leases: leases.length },
        'the allocator does not answer',
      );
      return null;
    }
  }
}
