import type { ExplainReply, QueueReply, QueueRequest } from '#libs/contracts/explain.js';
import type { Lease, Ledger } from '#libs/domain/gpu/gpu.js';
import { canonicalJson } from '#libs/domain/canonical.js';
import { costsOf } from '#libs/domain/policy/costs.js';
import { explainTask } from '#libs/domain/policy/explain.js';
import { ProbableStarts } from '#libs/domain/policy/probable-starts.js';
import { queueView } from '#libs/domain/policy/queue-view.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import { predictionRecord } from '#libs/domain/task/prediction-errors.js';
import { submissionsOf } from '#libs/domain/task/decide-workflow.js';
import { dependencyEnded, loseLease } from '#libs/domain/task/outcome.js';
import type { Pause } from '#libs/domain/task/pauses.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { activeSteps } from '#libs/domain/task/task.js';
import type { EventLog, LogPosition, LogWriter, StoredEvent } from '#libs/event-log/event-log.js';
import type { Inbox, InboxGap } from '#libs/event-log/inbox.js';
import type { SnapshotKeeper } from '#libs/event-log/snapshot-keeper.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Answers } from './answers.js';
import { foldLease } from '#libs/event-log/state-folds.js';
import { ChildDesk } from './child-desk.js';
import { Conditions } from './conditions.js';
import { Intake } from './intake.js';
import { ItemLists } from './item-lists.js';
import { Recorder } from './recorder.js';
import { ScheduleDesk } from './schedule-desk.js';
import { ScheduleCycle, type Allocator } from './schedule-cycle.js';
import type { SchedulerConfig } from './scheduler.config.js';
import { resultMaker } from './task-result.js';
import { WaitingDesk } from './waiting-desk.js';

export type TermOptions = {
  readonly book: TaskBook;
  readonly writer: LogWriter;
  /** The fold of `LEASES` up to `leasesAt`. */
  readonly ledger: Ledger;
  readonly leasesAt: LogPosition;
  readonly leases: EventLog;
  readonly commands: Inbox;
  readonly reports: Inbox;
  readonly allocator: Allocator;
  readonly answers: Answers;
  readonly snapshots: SnapshotKeeper;
  /** Step types of others that have a worker now. */
  readonly workerTypes: () => ReadonlySet<string>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newLeaseId: () => string;
  /** The settings that hold from the start of the term; where they differ from those of the log, that is its first fact. */
  readonly policy: PolicySettings;
  readonly config: SchedulerConfig;
  readonly logger: Logger;
};

/** Models that a view of the queue names; what a place waits for is worked out for each. */
const QUEUE_GROUPS_MAX = 50;

/** Retries become due, patience runs out and load pauses end without an event; looking this often is soon enough. */
const TICK_MS = 250;

/**
 * One term of leadership: from a folded book and an open writer until the writer is over or the term is stopped.
 *
 * It follows three streams (commands, reports, leases), decides in turn, and writes one. Everything it holds besides the
 * book can be made again from the logs, so losing it costs nothing.
 */
export class Term {
  readonly #stop = new AbortController();
  readonly #stopped = new Promise<Error>((resolve) => {
    this.#stop.signal.addEventListener('abort', () => resolve(new Error('stopped')), { once: true });
  });
  readonly #ledger: Ledger;
  readonly recorder: Recorder;
  readonly conditions: Conditions;
  readonly waiting: WaitingDesk;
  readonly #children: ChildDesk;
  readonly cycle: ScheduleCycle;
  readonly schedules: ScheduleDesk;
  readonly #intake: Intake;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #streams: Promise<void>[] = [];
  readonly #givenUp: string[] = [];
  /** Position of the last message taken from each stream, for the health report. */
  readonly seen: { commands: number; reports: number; leases: number };

  constructor(private readonly options: TermOptions) {
    const { book, writer, ledger, clock, config, logger } = options;
    this.#ledger = ledger;
    this.seen = { ...book.positions, leases: options.leasesAt.seq };
    const index = new TaskIndex(book, costsOf(book.paces, ledger));
    index.workers.change(options.workerTypes());
    index.rebuild(clock.nowMs());
    // What was ready before this term was predicted by another one, or never.
    index.predictions.skip();
    this.recorder = new Recorder(writer, book, index, clock, {
      givenUp: (taskId) => this.#closeDependents(taskId),
      changed: () => {
        this.conditions.decide();
        this.waiting.begin();
      },
    });
    const lists = new ItemLists();
    this.conditions = new Conditions(this.recorder, clock, lists);
    const { openTasksMax } = config;
    const { recorder } = this;
    this.#children = new ChildDesk({ recorder, clock, random: options.random, lists, openTasksMax });
    this.waiting = new WaitingDesk(recorder, clock, this.#children);
    this.schedules = new ScheduleDesk({ recorder: this.recorder, clock, openTasksMax, logger });
    this.#intake = new Intake({
      ...options,
      recorder: this.recorder,
      openTasksMax,
      schedules: this.schedules,
      waiting: this.waiting,
      isServerKnown: (serverId) => ledger.servers.has(serverId),
    });
    this.cycle = new ScheduleCycle({
      recorder: this.recorder,
      conditions: this.conditions,
      lists,
      waiting: this.waiting,
      ledger,
      allocator: options.allocator,
      clock,
      newLeaseId: options.newLeaseId,
      logger,
      signal: this.#stop.signal,
    });
  }

  /** Resolves when the term is over, with the reason. */
  async run(): Promise<Error> {
    const { book, leases, leasesAt, commands, reports, writer } = this.options;
    const signal = this.#stop.signal;
    this.#completeWorkflows();
    this.schedules.complete();
    this.#children.complete();
    this.setPolicy(this.options.policy);
    this.#reconcile();
    this.#failOrphans();
    this.cycle.expire(this.options.clock.nowMs());
    this.conditions.decide();
    this.waiting.begin();
    this.waiting.tick();
    this.schedules.begin();
    const failed = new Promise<Error>((resolve) => {
      this.#streams = [
        this.#each(leases.follow(leasesAt, { signal }), (stored) => this.#lease(stored)),
        this.#each(
          commands.follow(book.positions.commands, { signal, onGap: this.#lost('COMMANDS') }),
          (message) => {
            this.seen.commands = message.seq;
            this.#intake.command(message);
            this.cycle.wake();
          },
        ),
        this.#each(
          reports.follow(book.positions.reports, { signal, onGap: this.#lost('REPORTS') }),
          (message) => {
            this.seen.reports = message.seq;
            this.#intake.report(message);
            this.cycle.wake();
          },
        ),
      ].map((stream) => stream.catch((error: unknown) => resolve(asError(error))));
    });
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.cycle.wake();
    const reason = await Promise.race([writer.over, failed, this.#stopped]);
    await this.stop();
    return reason;
  }

  /** Other settings hold from now on. */
  setPolicy(policy: PolicySettings): void {
    const { book, clock } = this.options;
    if (canonicalJson(policy) === canonicalJson(book.policy)) return;
    this.recorder.record([{ type: 'policy.changed', policy, at: rfc3339(clock.nowMs()) }]);
    this.cycle.wake();
  }

  /** Workers of step types of others may have come or gone. */
  lookAtWorkers(): void {
    const { workerTypes, clock } = this.options;
    const { index } = this.recorder;
    const changed = index.workers.change(workerTypes());
    for (const taskId of changed) index.refresh(taskId, clock.nowMs());
    if (changed.length > 0) this.cycle.wake();
  }

  /** Why a task is where it is, as it is decided from now. */
  explain(taskId: string): ExplainReply {
    const { book, clock } = this.options;
    const [atMs, { seq }] = [clock.nowMs(), book];
    const status = book.closed.get(taskId);
    if (status !== undefined) return { kind: 'over', seq, atMs, status };
    const task = book.open.get(taskId);
    if (task === undefined) return { kind: 'unknown' };
    const { index } = this.recorder;
    const snapshot = this.cycle.snapshot(atMs);
    const steps = explainTask(task, { book, index, snapshot, forecast: this.cycle.foresight.of(snapshot) });
    const predictions = predictionRecord(book.predictionErrors, atMs);
    return { kind: 'open', seq, atMs, priority: task.priority, moved: task.moved, steps, predictions };
  }

  /** What is ready to run, as it is decided from now. */
  queue({ limit }: QueueRequest): QueueReply {
    const { book, clock } = this.options;
    const atMs = clock.nowMs();
    const { index } = this.recorder;
    const snapshot = this.cycle.snapshot(atMs);
    const starts = new ProbableStarts({ book, index, snapshot, forecast: this.cycle.foresight.of(snapshot) });
    const view = queueView(snapshot, starts, { groups: QUEUE_GROUPS_MAX, steps: limit });
    const predictions = predictionRecord(book.predictionErrors, atMs);
    const paused = book.pauses.get('queue') ?? null;
    return { ...view, seq: book.seq, atMs, open: book.open.size, predictions, paused };
  }

  pauses(): readonly Pause[] {
    return [...this.options.book.pauses.values()];
  }

  /** Requests older than their stream keeps them were never decided: whoever runs this must know. */
  #lost(stream: string): (gap: InboxGap) => void {
    return (gap) =>
      this.options.logger.error({ stream, ...gap }, 'messages were forgotten by age before they were read');
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#ticker);
    await Promise.allSettled(this.#streams);
  }

  #tick(): void {
    const { snapshots, writer, clock } = this.options;
    this.cycle.expire(clock.nowMs());
    this.schedules.tick();
    this.lookAtWorkers();
    this.waiting.tick();
    this.cycle.wake();
    // Between two turns the book holds exactly what was handed to the writer.
    snapshots.offer(writer.position, () => writer.flush());
  }

  async #each<T>(source: AsyncIterable<T>, take: (item: T) => void): Promise<void> {
    for await (const item of source) {
      if (this.#stop.signal.aborted) return;
      take(item);
    }
  }

  /** Workflows that were accepted by one who did not come to submit all of their tasks. Before anything else: nobody sees half of one. */
  #completeWorkflows(): void {
    for (const workflow of this.options.book.workflows.values()) {
      if (workflow?.accepted) this.recorder.record(submissionsOf(workflow.accepted, workflow.begun));
    }
  }

  /** Attempts whose lease was closed while nobody led. */
  #reconcile(): void {
    const live = liveLeases(this.#ledger);
    for (const task of this.options.book.open.values()) {
      for (const { lease } of activeSteps(task))
        if (live.get(lease.leaseId)?.token !== lease.token) this.#loseLease(task.id, lease);
    }
  }

  /** Tasks whose dependency ended while nobody led, after the event and before its consequence. */
  #failOrphans(): void {
    for (const task of this.options.book.open.values()) {
      for (const dependency of task.dependsOn) this.#endDependency(task.id, dependency);
    }
  }

  #lease(stored: StoredEvent): void {
    const before = stored.type === 'lease.expired' ? liveLeases(this.#ledger) : null;
    const event = foldLease(this.#ledger, stored);
    this.seen.leases = stored.seq;
    if (event.type === 'lease.granted') this.cycle.granted(event.leases.map(({ leaseId }) => leaseId));
    if (event.type === 'residency.load-started' || event.type === 'residency.unload-started') {
      this.cycle.loadSeen(event.serverId);
    }
    if (event.type === 'lease.expired') {
      for (const leaseId of event.leaseIds) {
        const lease = before?.get(leaseId);
        if (lease) this.#loseLease(lease.taskId, lease);
      }
    }
    this.cycle.wake();
  }

  #loseLease(taskId: string, lease: { readonly leaseId: string; readonly token: number }): void {
    const { book, clock, random } = this.options;
    const task = book.open.get(taskId);
    const given = { at: rfc3339(clock.nowMs()), random: random(), result: resultMaker(task, book) };
    const events = loseLease(task, lease, given);
    if (events.length === 0) return;
    this.options.logger.warn({ taskId, leaseId: lease.leaseId }, 'lease lost');
    this.recorder.record(events);
  }

  /**
   * What waited for a task that failed or was cancelled may end with it; recording that calls this again, down the graph. One loop
   * does all of it, because a chain of tasks may be longer than the stack is deep.
   */
  #closeDependents(taskId: string): void {
    this.#givenUp.push(taskId);
    if (this.#givenUp.length > 1) return;
    for (const ended of this.#givenUp) {
      for (const dependent of this.recorder.index.takeDependents(ended))
        this.#endDependency(dependent, ended);
    }
    this.#givenUp.length = 0;
  }

  #endDependency(taskId: string, dependency: string): void {
    const { book, clock } = this.options;
    const task = book.open.get(taskId);
    if (task === undefined) return;
    const nowMs = clock.nowMs();
    const events = dependencyEnded(task, dependency, book, rfc3339(nowMs));
    if (events.length > 0) this.recorder.record(events);
    // It goes on without what it waited for.
    else {
      this.recorder.index.refresh(taskId, nowMs);
      this.conditions.decide();
      this.waiting.begin();
    }
  }
}

const liveLeases = (ledger: Ledger): ReadonlyMap<string, Lease> => {
  const live = new Map<string, Lease>();
  for (const server of ledger.servers.values()) {
    for (const lease of server.leases.values()) live.set(lease.leaseId, lease);
  }
  return live;
};

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
