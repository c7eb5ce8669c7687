import type { AttemptReport } from '#libs/contracts/reports.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { StepDispatched } from '#libs/domain/task/events.js';
import type { TaskId } from '#libs/domain/ids.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import type { Inbox } from '#libs/event-log/inbox.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import type { WorkFeed, WorkItem } from '#libs/event-log/work-feed.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Attempt } from './attempt.js';
import type { LeaseKeeper } from './lease-keeper.js';
import { runAttempt, type RunOptions } from './run-attempt.js';

export type ExecutorOptions = RunOptions & {
  readonly feed: WorkFeed;
  readonly tasks: EventLog;
  readonly reports: Inbox;
  readonly leases: LeaseKeeper;
  readonly logger: Logger;
};

/** Facts that end the running attempts of their task. */
const STOP_FACTS = ['cancel-requested', 'failing'] as const;

/** A cancel may overtake the dispatch that it is about; the last this many are remembered. */
const STOPPED_REMEMBERED_MAX = 10_000;

/** Reports are sent again until the broker has them, this far apart. */
const REPORT_AGAIN_MS = 500;

/**
 * Takes dispatched steps, runs those whose lease it gets, reports how they ended. It decides nothing: whether a report
 * counts is the scheduler's decision, whether a lease is current the allocator's.
 */
export class Executor {
  readonly #running = new Map<string, { readonly attempt: Attempt; readonly done: Promise<void> }>();
  /** Tasks with the sequence of what stopped them. */
  readonly #stopped = new Map<TaskId, number>();
  readonly #intake = new AbortController();
  #loops: Promise<void>[] = [];
  started = 0;
  reported = 0;
  unreported = 0;

  constructor(private readonly options: ExecutorOptions) {}

  get running(): number {
    return this.#running.size;
  }

  async start(): Promise<void> {
    const { tasks } = this.options;
    const { lastSeq } = await tasks.tail();
    const signal = this.#intake.signal;
    const stops = STOP_FACTS.map(async (fact) => {
      const filterSubjects = [SUBJECTS.task('*', fact)];
      for await (const { taskId, seq } of tasks.follow(
        { seq: lastSeq, hash: '' },
        { filterSubjects, signal },
      )) {
        if (taskId !== undefined) this.#stop(taskId, seq);
      }
    });
    this.#loops = [...stops, this.#takeWork(signal)];
    for (const loop of this.#loops) {
      loop.catch((error: unknown) => {
        this.options.logger.fatal({ error: String(error) }, 'intake ended');
        process.kill(process.pid, 'SIGTERM');
      });
    }
  }

  /** Takes nothing more, lets what runs go on for `graceMs`, then stops it and reports that it was interrupted. */
  async stop(graceMs: number): Promise<void> {
    this.#intake.abort();
    await Promise.allSettled(this.#loops);
    const all = Promise.allSettled([...this.#running.values()].map(({ done }) => done));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise((resolve) => (timer = setTimeout(resolve, graceMs)));
    await Promise.race([all, grace]);
    clearTimeout(timer);
    for (const { attempt } of this.#running.values()) this.#abort(attempt, 'stopping');
    await all;
    this.options.leases.close();
  }

  async #takeWork(signal: AbortSignal): Promise<void> {
    for await (const item of this.options.feed.take(signal)) this.#begin(item);
  }

  #begin(item: WorkItem): void {
    const dispatch = typedEvent<StepDispatched>(item as never);
    const { leaseId } = dispatch.lease;
    // The broker may deliver again after it was killed; an attempt that is under way here is not begun twice.
    if (this.#running.has(leaseId)) return;
    const attempt: Attempt = {
      dispatch,
      seq: item.seq,
      abort: new AbortController(),
      ending: null,
      taken: false,
      deadlineMs: 0,
      traceparent: item.traceparent,
    };
    const done = this.#run(attempt).finally(() => this.#running.delete(leaseId));
    this.#running.set(leaseId, { attempt, done });
  }

  async #run(attempt: Attempt): Promise<void> {
    const { leases, logger } = this.options;
    const { taskId, stepId, lease } = attempt.dispatch;
    const fields = {
      taskId,
      stepId,
      attempt: attempt.dispatch.attempt,
      leaseId: lease.leaseId,
      traceparent: attempt.traceparent,
    };
    try {
      if (!(await leases.take(attempt))) {
        logger.info(fields, 'not begun: the lease is not current');
        return;
      }
      if ((this.#stopped.get(taskId) ?? 0) > attempt.seq) this.#abort(attempt, 'cancelled');
      this.started += 1;
      logger.debug(fields, 'begun');
      const report = await runAttempt(attempt, this.options);
      if (report) await this.#report(report, attempt);
    } catch (error) {
      logger.error({ ...fields, error: String(error) }, 'attempt ended without a report');
    } finally {
      leases.drop(lease.leaseId);
    }
  }

  /** The outcome is worth more than anything else here: it is sent until the broker has it or the lease is lost. */
  async #report(report: AttemptReport, attempt: Attempt): Promise<void> {
    this.unreported += 1;
    try {
      for (;;) {
        try {
          const subject = SUBJECTS.report(report.taskId);
          const { traceparent } = attempt;
          await this.options.reports.put({
            id: `rpt-${report.leaseId}`,
            subject,
            data: report,
            ...(traceparent === undefined ? {} : { traceparent }),
          });
          this.reported += 1;
          return;
        } catch (error) {
          this.options.logger.warn(
            { taskId: report.taskId, error: String(error) },
            'report not stored; sending again',
          );
          if (attempt.ending === 'lease-lost') return;
          await new Promise((resolve) => setTimeout(resolve, REPORT_AGAIN_MS));
        }
      }
    } finally {
      this.unreported -= 1;
    }
  }

  /** What was dispatched before. What comes later runs at the end of the task, however that came. */
  #stop(taskId: TaskId, seq: number): void {
    this.#stopped.set(taskId, Math.max(seq, this.#stopped.get(taskId) ?? 0));
    for (const oldest of this.#stopped.keys()) {
      if (this.#stopped.size <= STOPPED_REMEMBERED_MAX) break;
      this.#stopped.delete(oldest);
    }
    for (const { attempt } of this.#running.values()) {
      if (attempt.dispatch.taskId === taskId && attempt.seq < seq) this.#abort(attempt, 'cancelled');
    }
  }

  #abort(attempt: Attempt, why: 'cancelled' | 'stopping'): void {
    if (attempt.ending !== null) return;
    attempt.ending = why;
    attempt.abort.abort();
  }
}
