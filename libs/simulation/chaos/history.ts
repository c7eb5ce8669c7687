import type { ErrorCode } from '#libs/domain/errors.js';
import type { MoveTo } from '#libs/domain/task/move-events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import type { Heard } from '../conductor/control-plane.js';
import { Site } from '../conductor/site.js';
import { playOutages } from '../outages.js';
import { pick, seededRandom, type Random } from '../random.js';
import { VirtualClock } from '../virtual-clock.js';
import { randomHardware, randomModels, randomPolicy, randomTasks } from './random-site.js';

/** What is left when nothing happens any more. */
export type Remains = {
  readonly submitted: number;
  /** Tasks that have not ended. */
  readonly open: number;
  readonly leases: number;
  readonly overcommits: number;
  readonly over: Readonly<Record<'completed' | 'failed' | 'cancelled', number>>;
  readonly simulatedMs: number;
};

/** What may befall a site, and how often at most. */
export type Chaos = {
  readonly kinds: readonly Misfortune[];
  readonly timesMax: number;
  /** What the steps at the end of a task may take, one of these; enough where nothing is said. */
  readonly endLimitsMs?: readonly number[];
  /** Steps that would be tasks run themselves: a replay has those of a recording as tasks of their own, which is near and not the same. */
  readonly plain?: true;
};

/** A random site, random work and random misfortune: all of it from the seed. */
export const playHistory = (
  seed: number,
  heard: Heard,
  { kinds, timesMax, endLimitsMs = [600_000], plain }: Chaos = EVERYTHING,
): { readonly remains: Remains; readonly book: TaskBook } => {
  const random = seededRandom(seed);
  const clock = new VirtualClock(EVENTS_MAX);
  const hardware = randomHardware(random);
  const models = randomModels(random, hardware);
  const site = new Site({ clock, random, hardware, models, policy: randomPolicy(random), heard });
  const tasks = randomTasks(random, models, endLimitsMs);
  for (const { atMs, submission, asked } of tasks) {
    const steps = plain ? submission.steps.map(running) : submission.steps;
    clock.at(atMs, () => site.submit({ ...submission, steps, submittedAt: site.at }, asked));
  }
  for (let n = Math.floor(random() * timesMax); n > 0; n -= 1)
    clock.at(random() * 180_000, () => befall(pick(random, kinds), site, clock, random));
  clock.run();
  const { book, ledger } = site.plane;
  const over = { completed: 0, failed: 0, cancelled: 0 };
  for (const status of book.closed.values()) over[status] += 1;
  const remains = {
    submitted: tasks.length,
    open: book.open.size,
    leases: [...ledger.servers.values()].reduce((sum, { leases }) => sum + leases.size, 0),
    overcommits: [...site.servers.values()].reduce((sum, { overcommits }) => sum + overcommits, 0),
    over,
    simulatedMs: clock.nowMs,
  };
  return { remains, book };
};

const running = ({ child, waits, ...spec }: StepSpec): StepSpec =>
  child || waits === undefined ? spec : { ...spec, waits };

/** A history of 25 tasks takes some thousands; one that goes on for ever is an error. */
const EVENTS_MAX = 200_000;

/** One thing goes wrong, or somebody changes their mind. */
const befall = (kind: Misfortune, site: Site, clock: VirtualClock, random: Random): void => {
  const { plane, running } = site;
  const attempts = [...running.values()];
  const open = [...plane.book.open.keys()];
  switch (kind) {
    case 'crash': {
      const serverId = pick(random, [...site.servers.keys()]);
      const server = site.servers.get(serverId);
      if (!server?.isUp) return;
      server.die();
      clock.after(1_000 + random() * 60_000, () => server.comeBack());
      return;
    }
    case 'stuck': {
      const servers = [...site.servers.values()];
      playOutages(
        [
          {
            kind: 'slow-unload',
            server: Math.floor(random() * servers.length),
            fromMs: clock.nowMs,
            lastsMs: random() < 0.5 ? null : random() * 120_000,
            restartAfterMs: 120_000,
            restartMs: 5_000,
          },
        ],
        servers,
        clock,
      );
      return;
    }
    case 'executor':
      if (attempts.length > 0) site.loseAttempt(pick(random, attempts));
      return;
    case 'fail': {
      if (attempts.length === 0) return;
      const { attempt, request } = pick(random, attempts);
      request.abort();
      const failure = { code: pick(random, FAILURES), message: 'it failed' };
      site.report(attempt, { kind: 'failed', failure });
      return;
    }
    case 'repeat': {
      // A report that comes twice: the second one is of an attempt that is over.
      if (attempts.length === 0) return;
      const { attempt, request } = pick(random, attempts);
      request.abort();
      site.report(attempt, { kind: 'completed', output: null });
      clock.after(random() * 5_000, () => site.report(attempt, { kind: 'completed', output: null }));
      return;
    }
    case 'cancel':
      if (open.length > 0) site.cancel(pick(random, open), random() * 3_000, random() < 0.3);
      return;
    case 'priority':
      if (open.length > 0) site.changePriority(pick(random, open), 1 + Math.floor(random() * 10));
      return;
    case 'move':
      if (open.length > 0) site.move(pick(random, open), randomMove(random, open));
      return;
  }
};

const randomMove = (random: Random, open: readonly string[]): MoveTo => {
  const kind = pick(random, MOVES);
  return kind === 'front' || kind === 'back' ? { kind } : { kind, taskId: pick(random, open) };
};

const MOVES = ['front', 'back', 'before', 'after'] as const;
export const MISFORTUNES = [
  'crash',
  'stuck',
  'executor',
  'fail',
  'repeat',
  'cancel',
  'priority',
  'move',
] as const;
type Misfortune = (typeof MISFORTUNES)[number];
const EVERYTHING: Chaos = {
  kinds: MISFORTUNES,
  timesMax: 12,
  endLimitsMs: [2_000, 600_000, 600_000],
};
const FAILURES: readonly ErrorCode[] = ['MODEL_ERROR', 'STEP_INPUT_INVALID', 'SERVER_UNREACHABLE'];
