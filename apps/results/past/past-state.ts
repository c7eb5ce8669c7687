import { setImmediate } from 'node:timers/promises';
import { emptyLedger, type Ledger } from '#libs/domain/gpu/gpu.js';
import { LEDGER_FOLD_VERSION, ledgerOfLines } from '#libs/domain/gpu/ledger-state.js';
import { BOOK_FOLD_VERSION, takeBookLine } from '#libs/domain/task/book-state.js';
import { emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { START, type EventLog, type LogPosition, type StoredEvent } from '#libs/event-log/event-log.js';
import { restored } from '#libs/event-log/snapshot-keeper.js';
import type { SnapshotStore } from '#libs/event-log/snapshot-store.js';
import { foldLease, foldTask } from '#libs/event-log/state-folds.js';
import type { Logs } from '../projection.js';

export type PastSources = {
  readonly logs: Logs;
  readonly snapshots: { readonly tasks: SnapshotStore; readonly leases: SnapshotStore };
  readonly onSnapshotFailure: (error: unknown) => void;
};

/** The time of a request is over; what was folded is kept, and the next request goes on from there. */
export class NotThereYetError extends Error {
  override readonly name = 'NotThereYetError';

  constructor(
    readonly at: number,
    readonly target: number,
    stream: string,
  ) {
    super(`${stream} is folded up to ${at} of ${target}`);
  }
}

/** Events that are folded, and lines of a snapshot that are read, before others get a turn: about a millisecond. */
const TURN_EVENTS = 100;

/** A snapshot costs as much as folding so many events, so nearer ones are reached by going on. */
const SNAPSHOT_WORTH_EVENTS = 20_000;

/** A fold of one stream that goes forward from event to event; back only by beginning again. */
class Fold<State> {
  at: LogPosition = START;
  state: State;

  constructor(
    private readonly log: EventLog,
    private readonly empty: () => State,
    private readonly apply: (state: State, stored: StoredEvent) => void,
    private readonly restore: (seqMax: number, into: (state: State) => void) => Promise<LogPosition>,
  ) {
    this.state = empty();
  }

  async moveTo(seq: number, signal: AbortSignal): Promise<void> {
    if (this.at.seq > seq) this.#begin(START, this.empty());
    if (seq - this.at.seq > SNAPSHOT_WORTH_EVENTS) await this.#takeSnapshot(seq);
    if (this.at.seq === seq) return;
    let left = TURN_EVENTS;
    for await (const event of this.log.replay(this.at)) {
      this.apply(this.state, event);
      this.at = { seq: event.seq, hash: event.hash };
      if (event.seq === seq) return;
      left -= 1;
      if (left > 0) continue;
      left = TURN_EVENTS;
      await setImmediate();
      if (signal.aborted) throw new NotThereYetError(event.seq, seq, this.log.name);
    }
  }

  async #takeSnapshot(seq: number): Promise<void> {
    let state = this.empty();
    const at = await this.restore(seq, (read) => (state = read));
    if (at.seq > this.at.seq) this.#begin(at, state);
  }

  #begin(at: LogPosition, state: State): void {
    this.at = at;
    this.state = state;
  }
}

/** The scheduler's view as it was: its fold of `TASKS` and its copy of the ledger, each up to an event of its stream. */
export class PastState {
  readonly #tasks: Fold<TaskBook>;
  readonly #leases: Fold<Ledger>;

  constructor({ logs, snapshots, onSnapshotFailure: onFailure }: PastSources) {
    this.#tasks = new Fold(logs.tasks, emptyBook, foldTask, async (seqMax, into) => {
      const from = { store: snapshots.tasks, foldVersion: BOOK_FOLD_VERSION, onFailure, seqMax };
      return await restored(from, async (lines) => into(await bookRead(lines)));
    });
    this.#leases = new Fold(
      logs.leases,
      emptyLedger,
      (ledger, stored) => void foldLease(ledger, stored),
      async (seqMax, into) => {
        const from = { store: snapshots.leases, foldVersion: LEDGER_FOLD_VERSION, onFailure, seqMax };
        return await restored(from, (lines) => into(ledgerOfLines(lines)));
      },
    );
  }

  get book(): TaskBook {
    return this.#tasks.state;
  }

  get ledger(): Ledger {
    return this.#leases.state;
  }

  /**
   * Both streams as they were at one moment. Clocks of two machines differ: a grant that an attempt names was there before it, whatever
   * its time says. Rejects with `NotThereYetError` once the signal aborts.
   */
  async moveTo(
    target: { readonly tasksSeq: number; readonly leasesSeq: number },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#tasks.moveTo(target.tasksSeq, signal);
    await this.#leases.moveTo(Math.max(target.leasesSeq, lastTokenIn(this.book)), signal);
  }
}

const bookRead = async (lines: Iterable<string>): Promise<TaskBook> => {
  const book = emptyBook();
  let left = TURN_EVENTS;
  for (const line of lines) {
    takeBookLine(book, line);
    left -= 1;
    if (left > 0) continue;
    left = TURN_EVENTS;
    await setImmediate();
  }
  return book;
};

/** The token of an attempt is the sequence of its grant. */
const lastTokenIn = ({ open }: TaskBook): number => {
  let last = 0;
  for (const { steps } of open.values())
    for (const { progress } of steps)
      if (progress.status === 'active') last = Math.max(last, progress.lease.token);
  return last;
};
