import { emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import type { LogWriter, StoredEvent } from '#libs/event-log/event-log.js';
import type { HealthCheck } from '#libs/runtime/health.js';
import { NotLeadingError } from '#libs/runtime/not-leading-error.js';
import { foldTask } from './fold.js';
import { Term, type TermOptions } from './term.js';

export type SchedulerServiceOptions = Omit<TermOptions, 'book' | 'writer'>;

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

  constructor(private readonly options: SchedulerServiceOptions) {}

  /** Called before the log is folded for a new term. */
  reset(): void {
    this.#book = emptyBook();
    this.#folding = true;
  }

  fold(stored: StoredEvent): void {
    foldTask(this.#book, stored);
  }

  /** Leads until the term is over. `opening` is the event that the writer began with. */
  async lead(writer: LogWriter, opening: StoredEvent, signal: AbortSignal): Promise<Error> {
    this.fold(opening);
    this.#folding = false;
    const { book, logger } = { book: this.#book, logger: this.options.logger };
    logger.info({ epoch: writer.epoch, seq: book.seq, open: book.open.size }, 'leading');
    const term = new Term({ ...this.options, book, writer });
    this.#writer = writer;
    this.#term = term;
    const stop = (): void => void term.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await term.run();
    } finally {
      signal.removeEventListener('abort', stop);
      this.#term = null;
      this.#writer = null;
    }
  }

  /** The book with everything that is in it acknowledged by the log. */
  async settledBook(): Promise<TaskBook> {
    const writer = this.#writer;
    if (writer === null) throw new NotLeadingError('this scheduler does not lead');
    await writer.flush();
    return this.#book;
  }

  readonly health: HealthCheck = () => {
    const term = this.#term;
    const book = this.#book;
    const reasons: string[] = [];
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
        readySteps: term?.recorder.index.ready.size ?? 0,
        cycles: term?.cycle.cycles ?? 0,
      },
    };
  };
}
