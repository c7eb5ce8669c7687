import type { ServerId, StepId, TaskId } from '#libs/domain/ids.js';
import { meanMsOf, type Pace } from '#libs/domain/policy/pace.js';
import type { Outcome } from '#libs/domain/task/outcome.js';
import type { AttemptHistory } from './site-history.js';
import { workAlone } from './work-alone.js';

/** What an attempt has to do, and how it ends. `serverId` is where it was seen; null where it was not. */
export type AttemptWork = {
  readonly key: string;
  readonly workMs: number;
  readonly serverId: ServerId | null;
  readonly outcome: Outcome;
};

/** Attempts of a model on a server from which its speed is told; fewer say more of the requests than of the server. */
const SPEED_SAMPLES_MIN = 5;

/** What was stopped had more to do than was seen of it: half as much again, as the policy expects of what it has not seen. */
const UNSEEN_MARGIN = 1.5;

type Speed = { attempts: number; workMs: number; tokens: number };

const DONE: Outcome = { kind: 'completed', output: null };

/**
 * What the attempts of each step did, in their order, from the moment at which a replay begins. Attempts that were lost with an executor
 * or a server, or stopped, are no course of their own: whoever runs the step again does what it did when it was let.
 */
export class WorkRecord {
  readonly #courses = new Map<string, AttemptWork[]>();
  /** What was done at least, by steps that were stopped or are still under way. */
  readonly #least = new Map<string, number>();
  readonly #means = new Map<string, { sum: number; count: number }>();
  readonly #speeds = new Map<string, Speed>();
  readonly #estimated = new Set<string>();

  constructor(
    attempts: readonly AttemptHistory[],
    span: { readonly fromMs: number; readonly untilMs: number },
    private readonly paces: ReadonlyMap<string, Pace>,
  ) {
    const work = workAlone(attempts, span.fromMs, span.untilMs);
    for (const attempt of attempts)
      this.#take(attempt, work.get(attempt) ?? 0, attempt.startMs >= span.fromMs);
  }

  #take(attempt: AttemptHistory, workMs: number, isWhole: boolean): void {
    const { taskId, stepId, serverId, key, ended, tokens } = attempt;
    const step = `${taskId}/${stepId}`;
    const how = ended?.how ?? null;
    if (how === null || how.kind === 'taken') {
      this.#least.set(step, Math.max(this.#least.get(step) ?? 0, workMs));
      return;
    }
    const course = this.#courses.get(step) ?? [];
    this.#courses.set(step, course);
    course.push({ key, workMs, serverId, outcome: how.kind === 'failed' ? how : DONE });
    if (how.kind === 'failed' || !isWhole) return;
    const mean = this.#means.get(key) ?? { sum: 0, count: 0 };
    this.#means.set(key, { sum: mean.sum + workMs, count: mean.count + 1 });
    if (tokens === null || tokens <= 0) return;
    const at = `${serverId} ${key}`;
    const speed = this.#speeds.get(at) ?? { attempts: 0, workMs: 0, tokens: 0 };
    speed.attempts += 1;
    speed.workMs += workMs;
    speed.tokens += tokens;
    this.#speeds.set(at, speed);
  }

  /** Steps whose work nobody has seen to its end, as far as they were asked for. */
  get estimated(): number {
    return this.#estimated.size;
  }

  /** Of the attempt with this number, from 0, of those that are let; beyond the last it is as the last. */
  attempt(taskId: TaskId, stepId: StepId, key: string, nth: number): AttemptWork {
    const step = `${taskId}/${stepId}`;
    const course = this.#courses.get(step);
    const found = course?.[Math.min(nth, course.length - 1)];
    // What only ever failed and was then stopped would fail again for ever; its retries end it.
    if (found) return found;
    this.#estimated.add(step);
    const mean = this.#means.get(key);
    const usualMs = mean ? mean.sum / mean.count : meanMsOf(this.paces.get(key));
    const leastMs = (this.#least.get(step) ?? 0) * UNSEEN_MARGIN;
    return { key, workMs: Math.max(usualMs, leastMs), serverId: null, outcome: DONE };
  }

  /** On this server: as fast as its tokens have shown, or as fast as where it was seen. */
  workMsOn({ key, workMs, serverId: seenOn }: AttemptWork, serverId: ServerId): number {
    if (seenOn === null || seenOn === serverId) return workMs;
    const [there, here] = [this.#msPerToken(seenOn, key), this.#msPerToken(serverId, key)];
    return there === null || here === null ? workMs : (workMs * here) / there;
  }

  #msPerToken(serverId: ServerId, key: string): number | null {
    const speed = this.#speeds.get(`${serverId} ${key}`);
    return speed && speed.attempts >= SPEED_SAMPLES_MIN ? speed.workMs / speed.tokens : null;
  }
}
