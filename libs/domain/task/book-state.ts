import type { Pace } from '../policy/pace.js';
import type { Schedule } from '../schedule/schedule.js';
import type { Service } from './service.js';
import type { PredictionError } from './prediction-errors.js';
import type { Pause } from './pauses.js';
import { emptyBook, type IdempotencyRecord, type TaskBook } from './task-book.js';
import type { ClosedTask, OpenTask } from './task.js';
import type { KeptResult, OpenWorkflow } from './workflow-state.js';

/**
 * Raise it when the fold makes another book of the same events: a state that was put aside by other code is not taken up. A spec
 * holds the two together.
 */
export const BOOK_FOLD_VERSION = 'tasks-3';

/** Small entries in one line: a line is what one turn of the event loop is spent on. */
const ENTRIES_PER_LINE = 64;

type Line =
  | {
      readonly is: 'book';
      readonly seq: number;
      readonly logId: string;
      readonly positions: Positions;
      readonly policy: TaskBook['policy'];
      readonly artifactsRemovedSeq: number;
    }
  | { readonly is: 'pace'; readonly entry: Entry<Pace> }
  | { readonly is: 'at-work'; readonly serverId: string; readonly entries: readonly Entry<number>[] }
  | { readonly is: 'predictions'; readonly errors: readonly PredictionError[] }
  | { readonly is: 'service'; readonly entry: Entry<Service> }
  | { readonly is: 'pause'; readonly pause: Pause }
  | { readonly is: 'template'; readonly entry: Entry<Readonly<Record<string, unknown>>> }
  | { readonly is: 'latest'; readonly entry: Entry<string> }
  | { readonly is: 'schedule'; readonly schedule: Schedule }
  | { readonly is: 'open'; readonly task: OpenTask }
  | { readonly is: 'closed'; readonly entries: readonly Entry<ClosedTask['status']>[] }
  | { readonly is: 'idempotency'; readonly entries: readonly Entry<IdempotencyRecord>[] }
  | { readonly is: 'workflow'; readonly entry: Entry<OpenWorkflow | null> }
  | { readonly is: 'result'; readonly entry: Entry<KeptResult> };
type Positions = TaskBook['positions'];
type Entry<Value> = readonly [key: string, value: Value];

/**
 * The book as it is at this moment, as lines of JSON. What changes while they are read does not show in them: tasks are never
 * changed in place, so a copy of the maps is enough, and closed tasks are only ever added, so counting them is.
 */
export const bookLines = (book: TaskBook): Iterable<string> => {
  const { seq, logId, closed, policy, artifactsRemovedSeq } = book;
  const positions = { ...book.positions };
  const head: Line = { is: 'book', seq, logId, positions, policy, artifactsRemovedSeq };
  return written(head, {
    paces: [...book.paces],
    services: [...book.services],
    atWork: [...book.atWork],
    predictionErrors: [...book.predictionErrors],
    pauses: [...book.pauses.values()],
    templates: [...book.templates],
    latestVersions: [...book.latestVersions],
    schedules: [...book.schedules.values()],
    open: [...book.open.values()],
    closed: { entries: closed.entries(), count: closed.size },
    idempotency: [...book.idempotency],
    workflows: [...book.workflows],
    results: [...book.results],
  });
};

type Parts = {
  readonly paces: readonly Entry<Pace>[];
  readonly services: readonly Entry<Service>[];
  readonly atWork: readonly Entry<ReadonlyMap<string, number>>[];
  readonly predictionErrors: readonly PredictionError[];
  readonly pauses: readonly Pause[];
  readonly templates: readonly Entry<Readonly<Record<string, unknown>>>[];
  readonly latestVersions: readonly Entry<string>[];
  readonly schedules: readonly Schedule[];
  readonly open: readonly OpenTask[];
  readonly closed: { readonly entries: Iterator<[string, ClosedTask['status']]>; readonly count: number };
  readonly idempotency: readonly Entry<IdempotencyRecord>[];
  readonly workflows: readonly Entry<OpenWorkflow | null>[];
  readonly results: readonly Entry<KeptResult>[];
};

function* written(head: Line, parts: Parts): Generator<string> {
  const { templates, open, closed, idempotency, workflows, results } = parts;
  const line = (value: Line): string => JSON.stringify(value);
  yield line(head);
  for (const entry of parts.paces) yield line({ is: 'pace', entry });
  for (const entry of parts.services) yield line({ is: 'service', entry });
  for (const [serverId, counts] of parts.atWork)
    yield line({ is: 'at-work', serverId, entries: [...counts] });
  yield line({ is: 'predictions', errors: parts.predictionErrors });
  for (const pause of parts.pauses) yield line({ is: 'pause', pause });
  for (const entry of templates) yield line({ is: 'template', entry });
  for (const entry of parts.latestVersions) yield line({ is: 'latest', entry });
  for (const schedule of parts.schedules) yield line({ is: 'schedule', schedule });
  for (const task of open) yield line({ is: 'open', task });
  for (let left = closed.count; left > 0; left -= ENTRIES_PER_LINE) {
    const entries: Entry<ClosedTask['status']>[] = [];
    for (let n = Math.min(left, ENTRIES_PER_LINE); n > 0; n -= 1) entries.push(closed.entries.next().value);
    yield line({ is: 'closed', entries });
  }
  for (let from = 0; from < idempotency.length; from += ENTRIES_PER_LINE) {
    yield line({ is: 'idempotency', entries: idempotency.slice(from, from + ENTRIES_PER_LINE) });
  }
  for (const entry of workflows) yield line({ is: 'workflow', entry });
  for (const entry of results) yield line({ is: 'result', entry });
}

/** The book that was written. Throws for lines that are none of it. */
export const bookOf = (lines: Iterable<string>): TaskBook => {
  const book = emptyBook();
  for (const text of lines) takeBookLine(book, text);
  return book;
};

/** Takes up one line, for whoever has other things to do between them. Throws for one that is none of a book. */
export const takeBookLine = (book: TaskBook, text: string): void => {
  const line = JSON.parse(text) as Line;
  switch (line.is) {
    case 'book':
      book.seq = line.seq;
      book.logId = line.logId;
      book.positions.commands = line.positions.commands;
      book.positions.reports = line.positions.reports;
      book.policy = line.policy;
      book.artifactsRemovedSeq = line.artifactsRemovedSeq;
      return;
    case 'pace':
      book.paces.set(...line.entry);
      return;
    case 'service':
      book.services.set(...line.entry);
      return;
    case 'at-work':
      book.atWork.set(line.serverId, new Map(line.entries));
      return;
    case 'predictions':
      book.predictionErrors.push(...line.errors);
      return;
    case 'pause':
      book.pauses.set(line.pause.scope, line.pause);
      return;
    case 'template':
      book.templates.set(...line.entry);
      return;
    case 'latest':
      book.latestVersions.set(...line.entry);
      return;
    case 'schedule':
      book.schedules.set(line.schedule.id, line.schedule);
      return;
    case 'open':
      book.open.set(line.task.id, line.task);
      return;
    case 'closed':
      for (const entry of line.entries) book.closed.set(...entry);
      return;
    case 'idempotency':
      for (const entry of line.entries) book.idempotency.set(...entry);
      return;
    case 'workflow':
      book.workflows.set(...line.entry);
      return;
    case 'result':
      book.results.set(...line.entry);
      return;
    default:
      throw new Error(`a line of a task book is ${JSON.stringify((line as { is?: unknown }).is)}`);
  }
};
