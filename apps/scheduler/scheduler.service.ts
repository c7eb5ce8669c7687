import type { ExplainReply, QueueReply, QueueRequest } from '#libs/contracts/explain.js';
import type {
  ScheduleListReply,
  ScheduleListRequest,
  ScheduleReply,
  ScheduleRequest,
} from '#libs/contracts/schedule-queries.js';
import type {
  InboxReply,
  InboxRequest,
  QuestionReply,
  QuestionRequest,
} from '#libs/contracts/inbox-queries.js';
import type { Pause } from '#libs/domain/task/pauses.js';
import { emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { BOOK_FOLD_VERSION, bookLines, bookOf } from '#libs/domain/task/book-state.js';
import type { LogPosition, LogWriter, StoredEvent } from '#libs/event-log/event-log.js';
import { restored, SnapshotKeeper, type Keepable } from '#libs/event-log/snapshot-keeper.js';
import type { SnapshotStore } from '#libs/event-log/snapshot-store.js';
import type { HealthCheck } from '#libs/runtime/health.js';
import { NotLeadingError } from '#libs/runtime/not-leading-error.js';
import { PolicyWatch } from './policy-watch.js';
import { foldTask } from '#libs/event-log/state-folds.js';
import { foldLedger, type FoldedLedger } from './fold.js';
import { Term, type TermOptions } from './term.js';

export type SchedulerServiceOptions = Omit<
  TermOptions,
  'book' | 'writer' | 'ledger' | 'leasesAt' | 'snapshots' | 'policy'
> & {
  /** Folded states of `TASKS`, and of `LEASES` as the allocator puts them aside. */
  readonly snapshots: { readonly tasks: SnapshotStore; readonly leases: SnapshotStore };
};

/** A command that waits this long for its decision means that the scheduler does not get on. */
const LAG_MAX = 1_000;

/**
 * The scheduler as a candidate: it stands by until it may lead, folds the log, leads for a term, and starts over. The book is
 * made anew for each term; what another leader wrote meanwhile is in the log and nowhere else.
 */
export class SchedulerService {
  #book: TaskBook = emptyBook();
  #writer: LogWriter | null = null;
  #term: Term | null = null;
  #folding = false;
  #restoredSeq = 0;
  readonly #policy: PolicyWatch;

  constructor(private readonly options: SchedulerServiceOptions) {
    const { config, logger } = options;
    this.#policy = new PolicyWatch(config.policyFile, (policy) => this.#term?.setPolicy(policy), logger);
  }

  /** Reads the settings of the policy, now and whenever their file changes. Resolves with a function that ends this. */
  watchPolicy(): Promise<() => Promise<void>> {
    return this.#policy.start();
  }

  /** A worker of a step type of others said hello. */
  workerHeard(): void {
    this.#term?.lookAtWorkers();
  }

  /** Called before the log is folded for a new term. */
  reset(): void {
    this.#book = emptyBook();
    this.#folding = true;
    this.#restoredSeq = 0;
  }

  /** Takes up what was put aside, if there is anything. */
  async restore(): Promise<LogPosition> {
    const position = await restored(this.#keepable(), (lines) => (this.#book = bookOf(lines)));
    this.#restoredSeq = position.seq;
    return position;
  }

  fold(stored: StoredEvent): void {
    foldTask(this.#book, stored);
  }

  /** Leads until the term is over. `opening` is the event that the writer began with. */
  async lead(writer: LogWriter, opening: StoredEvent, signal: AbortSignal): Promise<Error> {
    this.fold(opening);
    const { leases, snapshots, logger } = this.options;
    let folded: FoldedLedger;
    try {
      folded = await foldLedger(leases, snapshots.leases, signal, this.#onSnapshotFailure);
    } catch (error) {
      if (signal.aborted) return new Error('stopped');
      throw error;
    }
    this.#folding = false;
    const { seq, open } = this.#book;
    logger.info({ epoch: writer.epoch, seq, open: open.size, restoredSeq: this.#restoredSeq }, 'leading');
    const term = new Term({
      ...this.options,
      ...folded,
      writer,
      book: this.#book,
      policy: this.#policy.policy,
      snapshots: new SnapshotKeeper(this.#keepable(), this.#restoredSeq),
    });
    this.#writer = writer;
    this.#term = term;
    const stop = (): void => void term.stop();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      return await term.run();
    } finally {
      signal.removeEventListener('abort', stop);
      this.#term = null;
      this.#writer = null;
    }
  }

  #keepable(): Keepable {
    return {
      store: this.options.snapshots.tasks,
      foldVersion: BOOK_FOLD_VERSION,
      lines: () => bookLines(this.#book),
      everyEvents: this.options.config.snapshotEveryEvents,
      onFailure: this.#onSnapshotFailure,
    };
  }

  readonly #onSnapshotFailure = (error: unknown): void =>
    this.options.logger.warn(
      { error: String(error) },
      'a snapshot was not saved or not read; the log has everything',
    );

  /** The book with everything that is in it acknowledged by the log. */
  async settledBook(): Promise<TaskBook> {
    const writer = this.#writer;
    if (writer === null) throw new NotLeadingError('this scheduler does not lead');
    await writer.flush();
    return this.#book;
  }

  explain(taskId: string): ExplainReply {
    return this.#leading().explain(taskId);
  }

  queue(request: QueueRequest): QueueReply {
    return this.#leading().queue(request);
  }

  pauses(): readonly Pause[] {
    return this.#leading().pauses();
  }

  schedules(request: ScheduleListRequest): ScheduleListReply {
    return this.#leading().schedules.list(request);
  }

  schedule({ scheduleId, next }: ScheduleRequest): ScheduleReply {
    return this.#leading().schedules.reply(scheduleId, next);
  }

  inbox(request: InboxRequest): InboxReply {
    return this.#leading().waiting.inbox(request);
  }

  question(request: QuestionRequest): QuestionReply {
    return this.#leading().waiting.question(request);
  }

  #leading(): Term {
    if (this.#term === null) throw new NotLeadingError('this scheduler does not lead');
    return this.#term;
  }

  readonly health: HealthCheck = () => {
    const term = this.#term;
    const book = this.#book;
    const reasons: string[] = [...this.#policy.problems];
    if (this.#folding) reasons.push(`folding the log, at ${book.seq}`);
    const unanswered = term ? term.seen.commands - book.positions.commands : 0;
    if (unanswered > LAG_MAX) reasons.push(`${unanswered} commands behind`);
    return {
      reasons,
      progress: {
        leading: term !== null,
        tasksSeq: book.seq,
        leasesSeq: term?.seen.leases ?? 0,
        commandsSeq: term?.seen.commands ?? book.positions.commands,
        reportsSeq: term?.seen.reports ?? book.positions.reports,
        openTasks: book.open.size,
        schedules: book.schedules.size,
        readySteps: term?.recorder.index.ready.size ?? 0,
        cycles: term?.cycle.cycles ?? 0,
      },
    };
  };
}
