import type { AuditRecord } from '#libs/audit/audit-record.js';
import { stateDigest, type StateDigest } from '#libs/audit/state-digest.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { applyToBook, emptyBook } from '#libs/domain/task/task-book.js';

type Difference = { readonly seq: number; readonly message: string };

/**
 * Folds `TASKS` from its start, as a scheduler without a snapshot would, and compares what it has where a running one was asked. This
 * is the one check that uses the platform's own fold: the bytes are its.
 */
export class BookFold {
  readonly #book = emptyBook();
  #done = false;
  differs: Difference | null = null;

  constructor(private readonly wanted: StateDigest | null) {
    this.#done = wanted === null;
  }

  take({ seq, type, data, causationId }: AuditRecord): void {
    if (this.#done || this.wanted === null) return;
    try {
      const event = { ...data, type } as unknown as TaskEvent | SchedulerEvent;
      applyToBook(this.#book, { seq, event, ...(causationId === undefined ? {} : { causationId }) });
    } catch (error) {
      this.#decide({ seq, message: `the log cannot be folded: ${(error as Error).message}` });
      return;
    }
    if (seq < this.wanted.seq) return;
    const { sha256, open, closed } = stateDigest(this.#book);
    const same = seq === this.wanted.seq && sha256 === this.wanted.sha256;
    const [has, should] = [this.wanted, { sha256, open, closed }].map(
      (state) => `${state.sha256.slice(0, 12)} with ${state.open} open and ${state.closed} closed tasks`,
    );
    this.#decide(same ? null : { seq, message: `the scheduler has ${has}; the log gives ${should}` });
  }

  /** The log was read; a scheduler that has more than it is not of this log. */
  end(): void {
    if (this.#done || this.wanted === null) return;
    const { seq } = this.wanted;
    this.#decide({
      seq,
      message: `the scheduler has decided up to ${seq}; the log ends at ${this.#book.seq}`,
    });
  }

  #decide(differs: Difference | null): void {
    this.#done = true;
    this.differs = differs;
  }
}
