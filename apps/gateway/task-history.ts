import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { START, type EventLog, type StoredEvent } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import { ApiError } from './http/problem.js';
import type { ToldPosition } from './told-position.js';

export type HistoryPage = {
  readonly items: readonly HistoryItem[];
  /** Send as `after_seq` for what follows; null when this is all there is now. */
  readonly next_after_seq: number | null;
};

export type HistoryItem = {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly caused_by: string | null;
  readonly epoch: number;
  readonly hash: string;
  readonly data: unknown;
};

/** A page ends early at this size: a single event can have 900 KiB. */
const PAGE_MAX_BYTES = 4 * 1024 * 1024;

/** One task's facts, read from the log itself. */
export class TaskHistory {
  constructor(
    private readonly tasks: EventLog,
    private readonly position: ToldPosition,
  ) {}

  /** All facts of a task, from its beginning. */
  async all(taskId: string): Promise<readonly TaskEvent[]> {
    const events: TaskEvent[] = [];
    const subjects = { filterSubjects: [SUBJECTS.task(taskId, '>')] };
    for await (const event of this.tasks.replay(START, subjects)) events.push(typedEvent<TaskEvent>(event));
    if (events.length === 0) throw new ApiError('TASK_UNKNOWN', `There is no task '${taskId}'.`);
    return events;
  }

  async page(taskId: string, afterSeq: number, limit: number): Promise<HistoryPage> {
    const items: HistoryItem[] = [];
    let bytes = 0;
    const { lastSeq } = await this.tasks.tail();
    if (afterSeq < lastSeq) {
      for await (const event of this.tasks.replay(
        { seq: afterSeq, hash: '' },
        { filterSubjects: [SUBJECTS.task(taskId, '>')] },
      )) {
        items.push(itemOf(event));
        bytes += JSON.stringify(event.data).length;
        if (items.length > limit || bytes > PAGE_MAX_BYTES) break;
      }
    }
    if (items.length === 0 && afterSeq === 0)
      throw new ApiError('TASK_UNKNOWN', `There is no task '${taskId}'.`);
    const cut = items.length > limit || bytes > PAGE_MAX_BYTES;
    const page = cut && items.length > 1 ? items.slice(0, -1) : items;
    this.position.told(page.at(-1)?.seq ?? 0);
    return { items: page, next_after_seq: cut ? (page.at(-1)?.seq ?? null) : null };
  }
}

export const itemOf = (event: StoredEvent): HistoryItem => ({
  seq: event.seq,
  id: event.id,
  type: event.type,
  time: event.time,
  caused_by: event.causationId ?? null,
  epoch: event.epoch,
  hash: event.hash,
  data: event.data,
});
