import type { Delivery } from './delivery.js';

/** What is needed to know when it is whose turn. */
export type Waiting = Pick<Delivery, 'id' | 'channel' | 'task' | 'nextAttemptAtMs'>;

/**
 * Messages that wait, in lanes: one for each task and channel, in which each waits for the one before it. A lane whose
 * first message is not taken holds nobody else, and each channel has tries under way of its own.
 */
export class Lanes {
  readonly #lanes = new Map<string, Waiting[]>();
  readonly #waiting = new Map<string, number>();
  readonly #underWay = new Map<string, Set<string>>();

  /** Messages of a channel that have not ended. */
  waiting(channel: string): number {
    return this.#waiting.get(channel) ?? 0;
  }

  /** Behind what its lane has already. */
  add(delivery: Waiting): void {
    const key = laneOf(delivery);
    const lane = this.#lanes.get(key);
    if (lane) lane.push(delivery);
    else this.#lanes.set(key, [delivery]);
    this.#waiting.set(delivery.channel, this.waiting(delivery.channel) + 1);
  }

  /** Those that may be tried now, which are under way from here on; at most `atOnceMax` of a channel are. */
  take(nowMs: number, atOnceMax: (channel: string) => number): readonly Waiting[] {
    const taken: Waiting[] = [];
    for (const [first] of this.#lanes.values()) {
      if (first === undefined || (first.nextAttemptAtMs ?? 0) > nowMs) continue;
      const busy = this.#busy(first.channel);
      if (busy.has(laneOf(first)) || busy.size >= atOnceMax(first.channel)) continue;
      busy.add(laneOf(first));
      taken.push(first);
    }
    return taken;
  }

  /** A try has ended: `next` is the same message where it waits for another one, and null where it is over. */
  tried(before: Waiting, next: Waiting | null): void {
    const key = laneOf(before);
    this.#busy(before.channel).delete(key);
    const lane = this.#lanes.get(key);
    if (lane?.[0]?.id !== before.id) return;
    if (next !== null) {
      lane[0] = next;
      return;
    }
    lane.shift();
    if (lane.length === 0) this.#lanes.delete(key);
    else {
      // To the end, so that a lane with much in it leaves room for the others.
      this.#lanes.delete(key);
      this.#lanes.set(key, lane);
    }
    this.#waiting.set(before.channel, this.waiting(before.channel) - 1);
  }

  /** A message that waits for its next try need not wait any longer; one that waits for another message does. */
  hurry(delivery: Waiting, nowMs: number): void {
    const lane = this.#lanes.get(laneOf(delivery));
    const first = lane?.[0];
    if (lane !== undefined && first?.id === delivery.id) lane[0] = { ...first, nextAttemptAtMs: nowMs };
  }

  /** When the next pause ends; null while there is none. What is due and was not taken waits for a place instead. */
  nextAtMs(nowMs: number): number | null {
    let next: number | null = null;
    for (const [first] of this.#lanes.values()) {
      const atMs = first?.nextAttemptAtMs ?? 0;
      if (atMs > nowMs) next = Math.min(next ?? atMs, atMs);
    }
    return next;
  }

  #busy(channel: string): Set<string> {
    const found = this.#underWay.get(channel) ?? new Set();
    this.#underWay.set(channel, found);
    return found;
  }
}

/** What is about no task goes in the order of its channel. */
const laneOf = ({ channel, task }: Waiting): string => `${channel} ${task?.id ?? ''}`;
