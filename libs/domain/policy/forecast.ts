import { givesWayAtMs } from './gathering.js';
import { profileKey } from '../gpu/profile.js';
import { chooseLoads } from './choose-loads.js';
import { copiesIn } from './copies.js';
import { ForeseenServers } from './foreseen-servers.js';
import { aloneMsOf } from './pace.js';
import { queueOf, turnsOf, type Queue } from './queue.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import type { Snapshot } from './snapshot.js';
import { Timeline } from './timeline.js';

/** When what is ready will probably start. */
export type Forecast = {
  readonly madeAtMs: number;
  /** Of the step of a group (by `requirementKey`) that so many of the same go before; null: nothing can be said. */
  readonly startMs: (key: string, place: number) => number | null;
};

/** Looks at groups on servers in one forecast: some ten milliseconds on one core. */
const LOOKS_MAX = 8_000;
const TURNS_MIN = 16;
const TURNS_MAX = 400;
/** Steps that are taken off the front of the queue to know who is next; beyond it the last one known stands for those behind. */
const HEADS_MAX = 300;
/** Between two decisions where nothing happens: what only time changes is seen this soon, and later the further ahead it is. */
const LOOK_EVERY_MS = 5_000;
const LOOK_EVERY_SHARE = 0.05;

/**
 * Plays forward what the policy would do with what is ready now, if nothing came: loads are chosen by the plan's own function from the
 * servers as they will be, and the steps of a group start evenly, as their slots come free at the usual pace.
 */
export const forecastOf = (snapshot: Snapshot): Forecast => {
  const future = new Future(snapshot);
  const { servers } = snapshot.ledger;
  const looks = Math.max(1, future.groups.length * servers.size);
  const turnsMax = Math.min(TURNS_MAX, Math.max(TURNS_MIN, Math.floor(LOOKS_MAX / looks)));
  for (let turn = 0; turn < turnsMax && future.isOpen; turn += 1) {
    future.decide();
    if (!future.advance()) break;
  }
  future.extrapolate();
  const timelines = new Map(future.groups.map(({ key, timeline }) => [key, timeline]));
  return {
    madeAtMs: snapshot.nowMs,
    startMs: (key, place) => timelines.get(key)?.startMs(place) ?? null,
  };
};

type Waiting = {
  readonly key: string;
  readonly group: ReadyGroup;
  readonly timeline: Timeline;
  readonly meanMs: number;
  /** Those behind the head, once they are looked at. */
  rest: Iterator<ReadyStep> | null;
  head: ReadyStep;
  headPlace: number;
  started: number;
};

class Future {
  readonly groups: readonly Waiting[];
  readonly #servers: ForeseenServers;
  readonly #snapshot: Snapshot;
  readonly #queue: Queue;
  #nowMs: number;
  #headsLeft = HEADS_MAX;

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.#nowMs = snapshot.nowMs;
    this.#servers = new ForeseenServers(snapshot);
    this.#queue = queueOf(snapshot);
    this.groups = this.#queue.groups.map((group): Waiting => {
      return {
        key: group.key,
        group,
        timeline: new Timeline(),
        meanMs: Math.max(1, aloneMsOf(snapshot.paces.get(group.key))),
        rest: null,
        head: group.first,
        headPlace: 0,
        started: 0,
      };
    });
  }

  get isOpen(): boolean {
    return this.groups.some(isWaiting);
  }

  /** Fills free slots, and begins the loads that the policy would choose. */
  decide(): void {
    this.#servers.settle(this.#nowMs);
    this.#servers.showBusy();
    const { ledger } = this.#servers;
    const isNow = this.#nowMs === this.#snapshot.nowMs;
    const snapshot: Snapshot = {
      ...this.#snapshot,
      ledger,
      nowMs: this.#nowMs,
      asked: new Map(),
      loadsAsked: isNow ? this.#snapshot.loadsAsked : new Set(),
      soon: isNow ? this.#snapshot.soon : new Map(),
    };
    const { loads, closed } = chooseLoads(this.#queueNow(snapshot), snapshot);
    for (const place of this.#servers.places.values())
      place.isClosed = place.residencyId !== undefined && closed.has(place.residencyId);
    for (const wish of loads) this.#servers.begin(wish, profileKey(wish.profile), this.#nowMs);
    this.#fill();
  }

  /** To the next moment at which something changes; false when nothing will. */
  advance(): boolean {
    const sinceMs = this.#nowMs - this.#snapshot.nowMs;
    const rates = this.groups.map((waiting) => this.#rateOf(waiting));
    const isAnyMoving = rates.some((rate) => rate > 0);
    const serving = new Set(this.groups.filter(isWaiting).flatMap((waiting) => this.#openPlaces(waiting)));
    let nextMs = this.#servers.nextMs(serving);
    for (const untilMs of turnsOf({ ...this.#snapshot, ledger: this.#servers.ledger }).values())
      if (untilMs > this.#nowMs) nextMs = Math.min(nextMs, untilMs);
    nextMs = Math.min(nextMs, this.#nextGathered());
    for (const [place, { group, started }] of this.groups.entries()) {
      const rate = rates[place] ?? 0;
      if (rate > 0) nextMs = Math.min(nextMs, this.#nowMs + (group.size - started) / rate);
    }
    if (isAnyMoving)
      nextMs = Math.min(nextMs, this.#nowMs + Math.max(LOOK_EVERY_MS, sinceMs * LOOK_EVERY_SHARE));
    if (nextMs === Infinity) return false;
    for (const [place, waiting] of this.groups.entries())
      this.#start(waiting, (rates[place] ?? 0) * (nextMs - this.#nowMs), nextMs);
    this.#nowMs = nextMs;
    return true;
  }

  /** When a loaded model without work goes next for one that waits. */
  #nextGathered(): number {
    let nextMs = Infinity;
    for (const { group, started } of this.groups) {
      if (started > 0) continue;
      for (const { key } of this.#servers.places.values()) {
        const atMs = givesWayAtMs(key, group, this.#snapshot);
        if (atMs > this.#nowMs) nextMs = Math.min(nextMs, atMs);
      }
    }
    return nextMs;
  }

  /** What is left goes on evenly, all groups side by side, on all slots there are. */
  extrapolate(): void {
    const { places, ledger } = this.#servers;
    let slots = 0;
    for (const place of places.values()) slots += place.slots;
    const isUp = [...ledger.servers.values()].some(({ state }) => state === 'up');
    if (slots === 0 || !isUp || this.#nowMs === this.#snapshot.nowMs) return;
    let leftMs = 0;
    const left = this.groups.filter((waiting) => isWaiting(waiting) && waiting.started > 0);
    for (const { group, started, meanMs } of left) leftMs += ((group.size - started) * meanMs) / slots;
    for (const { group, timeline } of left) timeline.add(group.size, this.#nowMs + leftMs);
  }

  #queueNow(snapshot: Snapshot): Queue {
    const groups = this.groups.filter(isWaiting).map((waiting): ReadyGroup => {
      const { group, started } = waiting;
      return { ...group, size: Math.ceil(group.size - started), first: this.#headOf(waiting) };
    });
    const heads = new Map(groups.map(({ key, first }) => [key, first]));
    const rivals = new Map([...snapshot.soon, ...heads]);
    const copies = copiesIn(snapshot.ledger);
    return { groups, heads, rivals, ranking: this.#queue.ranking, turns: turnsOf(snapshot), copies };
  }

  #headOf(waiting: Waiting): ReadyStep {
    while (waiting.headPlace < Math.floor(waiting.started) && this.#headsLeft > 0) {
      this.#headsLeft -= 1;
      if (waiting.rest === null) {
        waiting.rest = waiting.group.steps[Symbol.iterator]();
        waiting.rest.next();
      }
      const next = waiting.rest.next();
      if (next.done) break;
      waiting.headPlace += 1;
      waiting.head = next.value;
    }
    return waiting.head;
  }

  #openPlaces({ key }: Waiting) {
    return [...this.#servers.places.values()].filter((place) => place.key === key && !place.isClosed);
  }

  /** Starts at once what there are free slots for. */
  #fill(): void {
    for (const waiting of this.groups) {
      if (!isWaiting(waiting)) continue;
      for (const place of this.#openPlaces(waiting)) {
        const starts = Math.min(place.slots - place.busy, Math.ceil(waiting.group.size - waiting.started));
        if (starts <= 0) continue;
        place.busy += starts;
        place.idleAtMs = this.#nowMs + waiting.meanMs;
        this.#start(waiting, starts, this.#nowMs);
      }
    }
  }

  /** Steps that start per millisecond. */
  #rateOf(waiting: Waiting): number {
    if (!isWaiting(waiting)) return 0;
    let rate = 0;
    for (const place of this.#openPlaces(waiting))
      rate += place.slots / waiting.meanMs / this.#servers.together(place);
    return rate;
  }

  #start(waiting: Waiting, count: number, atMs: number): void {
    const { group, timeline, meanMs } = waiting;
    if (!isWaiting(waiting)) return;
    if (count > 0) timeline.add(waiting.started, this.#nowMs);
    waiting.started = Math.min(group.size, waiting.started + count);
    if (group.size - waiting.started < 1e-6) waiting.started = group.size;
    if (count === 0) return;
    timeline.add(waiting.started, atMs);
    for (const place of this.#openPlaces(waiting)) {
      if (atMs > this.#nowMs) place.busy = place.slots;
      place.idleAtMs = atMs + meanMs;
    }
  }
}

const isWaiting = ({ group, started }: Waiting): boolean => started < group.size;
