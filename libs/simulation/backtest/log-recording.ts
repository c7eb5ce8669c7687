import { LEASE_STREAM_TYPES } from '#libs/domain/gpu/events.js';
import { applyToLedger, emptyLedger, type GpuRecord } from '#libs/domain/gpu/gpu.js';
import { ledgerLines } from '#libs/domain/gpu/ledger-state.js';
import type { StepId, TaskId } from '#libs/domain/ids.js';
import { bookLines } from '#libs/domain/task/book-state.js';
import { TASK_STREAM_TYPES } from '#libs/domain/task/stream-types.js';
import { factsIn } from '#libs/domain/task/told-apart.js';
import { applyToBook, emptyBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { OutsideInputs, type Input } from './outside-inputs.js';
import { SiteHistory, type HistoryStart } from './site-history.js';
import { SwapRecord } from './swap-record.js';
import { WaitRecord } from './wait-record.js';
import { WorkRecord } from './work-record.js';

/** A fact with its place in its log and its time by the clock of its writer: milliseconds since 1970. */
export type Dated<R extends TaskRecord | GpuRecord> = R & { readonly atMs: number };

/** What a replay needs of a log, and what happened there. */
export type Recording = {
  readonly fromMs: number;
  readonly toMs: number;
  /** Up to here the log tells what happened. */
  readonly untilMs: number;
  /** Both folds at `fromMs`, as lines of JSON: each replay has its own. */
  readonly book: readonly string[];
  readonly ledger: readonly string[];
  readonly start: HistoryStart;
  readonly inputs: readonly Input[];
  readonly work: WorkRecord;
  readonly swaps: SwapRecord;
  readonly waits: WaitRecord;
  /** How long a task that was asked to stop needed for it. */
  readonly stopMs: ReadonlyMap<TaskId, number>;
  /** Steps whose condition was false. */
  readonly skipped: ReadonlyMap<TaskId, readonly StepId[]>;
  /** How many items steps had, by `task/step`. */
  readonly items: ReadonlyMap<string, number>;
  readonly history: SiteHistory;
  readonly tasks: number;
};

/** A log cannot be replayed, and why; the sentence is for people. */
export class BacktestRefusedError extends Error {
  override readonly name = 'BacktestRefusedError';
}

/** Tasks that were open at the start or submitted in the window. */
export const BACKTEST_TASKS_MAX = 20_000;
export const BACKTEST_WINDOW_MAX_MS = 7 * 86_400_000;

/**
 * Reads the two logs of a site, each from its start in its own order, `TASKS` first or last. What lies behind the window is read too: the
 * tasks of the window go on there.
 */
export class LogRecording {
  readonly #book = emptyBook();
  readonly #ledger = emptyLedger();
  readonly #history = new SiteHistory();
  readonly #swaps: SwapRecord;
  readonly #inputs: OutsideInputs;
  readonly #waits = new WaitRecord();
  #start: { readonly book: readonly string[]; readonly history: HistoryStart } | null = null;
  #ledgerAtStart: readonly string[] | null = null;
  #tasksSeq = 0;
  #leasesSeq = 0;
  #tasksMs = 0;
  #leasesMs = 0;

  constructor(
    readonly fromMs: number,
    readonly toMs: number,
  ) {
    if (!(toMs > fromMs))
      throw new BacktestRefusedError('The window is empty: its end is not after its start.');
    if (toMs - fromMs > BACKTEST_WINDOW_MAX_MS)
      throw new BacktestRefusedError(
        `The window is ${hours(toMs - fromMs)} hours long; at most ${hours(BACKTEST_WINDOW_MAX_MS)} (7 days) are accepted.`,
      );
    this.#swaps = new SwapRecord(fromMs);
    this.#inputs = new OutsideInputs(fromMs, toMs);
  }

  task({ atMs, ...record }: Dated<TaskRecord>): void {
    this.#tasksSeq = follows('TASKS', this.#tasksSeq, record.seq);
    // Clocks of two writers may differ; the log's own order is what counts.
    this.#tasksMs = Math.max(this.#tasksMs, atMs);
    if (this.#tasksMs >= this.fromMs) this.#startTasks();
    const { event } = record;
    if (!TASK_STREAM_TYPES.has(event.type)) throw unknownType('TASKS', record.seq, event.type);
    applyToBook(this.#book, record);
    this.#history.task(event, this.#tasksMs, this.#book);
    this.#inputs.task(event, this.#tasksMs);
    for (const one of factsIn(event)) this.#waits.task(one, this.#tasksMs);
    this.#count();
  }

  lease({ atMs, ...record }: Dated<GpuRecord>): void {
    this.#leasesSeq = follows('LEASES', this.#leasesSeq, record.seq);
    this.#leasesMs = Math.max(this.#leasesMs, atMs);
    if (this.#leasesMs >= this.fromMs) this.#startLeases();
    const { event } = record;
    if (!LEASE_STREAM_TYPES.has(event.type)) throw unknownType('LEASES', record.seq, event.type);
    applyToLedger(this.#ledger, record);
    this.#history.lease(event, this.#leasesMs);
    this.#swaps.take(event, this.#leasesMs);
    this.#inputs.lease(event, this.#leasesMs);
  }

  /** Both logs were read. `nowMs`: up to when they tell all; the last fact without it. The window does not go beyond. */
  end(nowMs?: number): Recording {
    this.#startTasks();
    this.#startLeases();
    const { tasks, stopMs, skipped, items } = this.#inputs;
    if (tasks === 0)
      throw new BacktestRefusedError(
        'No task was open at the start of the window, and none was submitted in it: there is nothing to replay.',
      );
    const lastMs = Math.max(this.#tasksMs, this.#leasesMs);
    const untilMs = Math.max(nowMs ?? lastMs, lastMs) + 1;
    const span = { fromMs: this.fromMs, untilMs: Math.max(lastMs, this.fromMs) };
    return {
      fromMs: this.fromMs,
      toMs: Math.min(this.toMs, untilMs),
      untilMs,
      book: this.#start?.book ?? [],
      ledger: this.#ledgerAtStart ?? [],
      start: this.#start?.history ?? { tasks: [], attempts: [], awaited: [] },
      inputs: this.#inputs.inOrder(),
      work: new WorkRecord(this.#history.attempts, span, this.#book.paces),
      swaps: this.#swaps,
      waits: this.#waits,
      stopMs,
      skipped,
      items,
      history: this.#history,
      tasks,
    };
  }

  #startTasks(): void {
    if (this.#start !== null) return;
    this.#start = { book: [...bookLines(this.#book)], history: this.#history.cut() };
    this.#inputs.openAtStart(this.#book.open.keys());
    this.#count();
  }

  #startLeases(): void {
    this.#ledgerAtStart ??= [...ledgerLines(this.#ledger)];
  }

  #count(): void {
    if (this.#inputs.tasks > BACKTEST_TASKS_MAX)
      throw new BacktestRefusedError(
        `More than ${BACKTEST_TASKS_MAX} tasks were open or submitted in the window, which is the most that one backtest replays; take a shorter window.`,
      );
  }
}

const unknownType = (stream: string, seq: number, type: string): Error =>
  new BacktestRefusedError(
    `${stream}: event ${seq} has the type '${type}', which is not known here; a newer version wrote this log.`,
  );

const follows = (stream: string, lastSeq: number, seq: number): number => {
  if (seq === lastSeq + 1) return seq;
  throw new BacktestRefusedError(
    lastSeq === 0
      ? `${stream} begins at event ${seq}; a replay needs the log from its start, event 1.`
      : `${stream}: event ${seq} follows on ${lastSeq}; \`orchestra verify\` says what is wrong with this log.`,
  );
};

const hours = (ms: number): number => Math.round(ms / 360_000) / 10;
