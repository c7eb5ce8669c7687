import { Cron } from 'croner';
import type { DueTimes } from '#libs/domain/schedule/due-times.js';
import { zoneOffsetMs } from './zone-offset.js';

/** What is wrong with a cron expression; null for one that is accepted. */
export const cronProblem = (cron: string): string | null => {
  try {
    parsed(cron);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error);
  }
};

/** Expressions are bounded because a list in a field may be of any length. */
const CRON_MAX = 200;
const FIELDS = /^\s*\S+(?:\s+\S+){4,5}\s*$/;

/** The expression alone, for clocks that never change: an offset of 0, whatever the machine's zone is. */
const parsed = (cron: string): Cron => {
  if (cron.length > CRON_MAX || !FIELDS.test(cron))
    throw new Error(
      `expected five fields, or six with seconds first, of at most ${CRON_MAX} characters in all`,
    );
  return new Cron(cron, { paused: true, mode: '5-or-6-parts', utcOffset: 0 });
};

/** The next and the last moments at which clocks that show this time, given as if it were UTC, fit the expression. */
type WallTimes = {
  readonly after: (wallMs: number) => number | null;
  readonly before: (wallMs: number, max: number) => readonly number[];
};

const wallTimes = (cron: string): WallTimes => {
  const pattern = parsed(cron);
  return {
    after: (wallMs) => pattern.nextRun(new Date(wallMs))?.getTime() ?? null,
    before: (wallMs, max) => pattern.previousRuns(max, new Date(wallMs)).map((time) => time.getTime()),
  };
};

/** A repeated hour ends at most so long after the clocks were set back. */
const REPEATED_MAX_MS = 3 * 60 * 60 * 1000;

/**
 * When a cron expression is due in a time zone. The expression says which times of the clock are meant, and each of them is due once: one that
 * the clocks skip in spring at the first moment after the gap, together with others of that gap, and one that they show twice in autumn
 * the first time. An expression with `*` for the hours is about what passes and not about the clock: it goes on through a repeated hour, and
 * has nothing to make up for after a gap.
 */
export const cronTimes = (cron: string, timeZone: string): DueTimes => {
  const walls = wallTimes(cron);
  const zone = new Zone(timeZone);
  const isHourly = cron.trim().split(/\s+/).at(-4) === '*';
  const nextAfter = isHourly ? nextPassing(walls, zone) : nextOnClock(walls, zone);
  return { nextAfter, newest: newestBy(nextAfter, walls, zone) };
};

class Zone {
  /** The offset of days in which it does not change; null for the others. */
  readonly #days = new Map<number, number | null>();

  constructor(private readonly name: string) {}

  /** No zone changes its clocks twice in a day, so a day that ends as it begins needs no closer look. */
  offsetMs(atMs: number): number {
    const day = Math.floor(atMs / DAY_MS);
    const known = this.#days.get(day);
    if (known !== undefined) return known ?? zoneOffsetMs(this.name, atMs);
    const first = zoneOffsetMs(this.name, day * DAY_MS);
    if (this.#days.size >= DAYS_KEPT_MAX) this.#days.clear();
    this.#days.set(day, first === zoneOffsetMs(this.name, (day + 1) * DAY_MS) ? first : null);
    return this.offsetMs(atMs);
  }

  wallMs(atMs: number): number {
    return atMs + this.offsetMs(atMs);
  }

  /** The moments at which the clocks show this time, in order: one, none in a gap, two where they were set back. */
  moments(wallMs: number): readonly number[] {
    // A day before and a day after, the offset is that of before and after any change that this time is near.
    const offsets = new Set([this.offsetMs(wallMs - DAY_MS), this.offsetMs(wallMs + DAY_MS)]);
    return [...offsets]
      .map((offset) => wallMs - offset)
      .filter((atMs) => this.wallMs(atMs) === wallMs)
      .toSorted((a, b) => a - b);
  }

  /** The first moment with another offset than `fromMs` has, which `toMs` has not. To the millisecond. */
  changeBetween(fromMs: number, toMs: number): number {
    const before = this.offsetMs(fromMs);
    let [low, high] = [fromMs, toMs];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offsetMs(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }
}

/** Days whose offset is remembered: a preview of a yearly schedule needs a few of each year. */
const DAYS_KEPT_MAX = 1_000;

const DAY_MS = 24 * 60 * 60 * 1000;

/** Each time of the clock once. */
const nextOnClock =
  (walls: WallTimes, zone: Zone) =>
  (afterMs: number): number | null => {
    for (let wallMs = walls.after(zone.wallMs(afterMs)); wallMs !== null; wallMs = walls.after(wallMs)) {
      const [first] = zone.moments(wallMs);
      const atMs = first ?? zone.changeBetween(wallMs - DAY_MS, wallMs + DAY_MS);
      if (atMs > afterMs) return atMs;
    }
    return null;
  };

/** Every moment at which the clocks show such a time. */
const nextPassing =
  (walls: WallTimes, zone: Zone) =>
  (afterMs: number): number | null => {
    const first = firstShown(walls, zone, { wallMs: zone.wallMs(afterMs), afterMs });
    const soonMs = afterMs + REPEATED_MAX_MS;
    if (zone.offsetMs(soonMs) >= zone.offsetMs(afterMs)) return first;
    // The clocks are set back soon: times that they have shown already come again.
    const changeMs = zone.changeBetween(afterMs, soonMs);
    if (first !== null && first < changeMs) return first;
    const again = firstShown(walls, zone, { wallMs: zone.wallMs(changeMs) - 1000, afterMs: changeMs - 1 });
    return again ?? first;
  };

const firstShown = (
  walls: WallTimes,
  zone: Zone,
  from: { readonly wallMs: number; readonly afterMs: number },
): number | null => {
  for (let wallMs = walls.after(from.wallMs); wallMs !== null; wallMs = walls.after(wallMs)) {
    const atMs = zone.moments(wallMs).find((moment) => moment > from.afterMs);
    if (atMs !== undefined) return atMs;
  }
  return null;
};

/**
 * Looks back on the clock far enough, and then forward: what is due when is said in one place only. Who makes up for many times asks again
 * after each of them, so the last answer is kept.
 */
const newestBy = (
  nextAfter: (afterMs: number) => number | null,
  walls: WallTimes,
  zone: Zone,
): DueTimes['newest'] => {
  let last = { afterMs: 0, untilMs: 0, max: 0, due: [] as readonly number[] };
  return (afterMs, untilMs, max) => {
    if (max <= 0 || untilMs <= afterMs) return [];
    const isKnown = last.untilMs === untilMs && last.max === max && last.afterMs <= afterMs;
    if (!isKnown) last = { afterMs, untilMs, max, due: newest(afterMs, untilMs, max) };
    return last.due.filter((atMs) => atMs > afterMs);
  };

  function newest(afterMs: number, untilMs: number, max: number): readonly number[] {
    // Of so many times of the clock some may not be due, where clocks were changed: then further back.
    for (let count = max + 1; ; count *= 2) {
      const shown = walls.before(zone.wallMs(untilMs) + 1000, count);
      const oldest = shown.at(-1);
      const isAll = oldest === undefined || shown.length < count;
      const fromMs = isAll ? afterMs : Math.max(afterMs, oldest - zone.offsetMs(oldest - DAY_MS) - 1);
      const due = dueWithin(nextAfter, fromMs, untilMs);
      if (due.length >= max || fromMs === afterMs) return due.slice(-max);
    }
  }
};

const dueWithin = (
  nextAfter: (afterMs: number) => number | null,
  fromMs: number,
  untilMs: number,
): readonly number[] => {
  const due: number[] = [];
  for (let atMs = nextAfter(fromMs); atMs !== null && atMs <= untilMs; atMs = nextAfter(atMs)) due.push(atMs);
  return due;
};
