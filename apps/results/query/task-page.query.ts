import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { PageRequest, TaskFilter, TaskPage, TaskView } from '#libs/contracts/queries.js';
import type { Included } from '../follow/checkpoint.js';
import { NotServingError } from '../read-gate.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { bytesOf, fitted, REPLY_MAX_BYTES } from './fit.js';
import { sequencesSql } from './task-filter.js';
import { readTaskViews } from './task.reader.js';

/** Tasks read at once: a page may end early because its reply is full, and each can hold megabytes. */
const READ_AT_ONCE = 25;

/**
 * One page of tasks, newest first. Pages are cut by the sequence of submission, so a task that is submitted while
 * somebody turns pages neither repeats a task nor hides one.
 */
export const taskPage = async (
  em: SqlEntityManager,
  filter: TaskFilter,
  page: PageRequest,
  included: Included,
): Promise<TaskPage> => {
  const from = positionOf(page, included);
  const upwards = page.before !== undefined;
  const seqs = await sequences(em, filter, upwards ? 'asc' : 'desc', page.size + 1, from);
  const views = await readWhatFits(em, seqs.slice(0, page.size));
  const more = seqs.length > views.length;
  const shown = seqs.slice(0, views.length);
  // Beyond an empty page lies the place of the cursor itself.
  const newest = upwards
    ? (shown.at(-1) ?? null)
    : (shown[0] ?? (from === null ? null : Math.max(0, from - 1)));
  const oldest = upwards ? (shown[0] ?? (from === null ? null : from + 1)) : (shown.at(-1) ?? null);
  const isNewer = upwards ? more : from !== null && newest !== null && (await any(em, filter, 'asc', newest));
  const isOlder = upwards ? oldest !== null && (await any(em, filter, 'desc', oldest)) : more;
  const cursor = (seq: number | null, wanted: boolean): string | null =>
    seq === null || !wanted ? null : encodeCursor(seq, included.genesisId);
  return {
    items: upwards ? views.toReversed() : views,
    next: cursor(oldest, isOlder),
    previous: cursor(newest, isNewer),
  };
};

const positionOf = ({ after, before }: PageRequest, included: Included): number | null => {
  const cursor = after ?? before;
  if (cursor === undefined) return null;
  if (included.seq === 0) throw new NotServingError('nothing of the log is included yet; ask again');
  return decodeCursor(cursor, after === undefined ? 'before' : 'after', included.genesisId);
};

/** `asc`: what is newer than `from`, oldest first. `desc`: what is older, newest first. */
const sequences = async (
  em: SqlEntityManager,
  filter: TaskFilter,
  order: 'asc' | 'desc',
  limit: number,
  from: number | null,
): Promise<number[]> => {
  const range = from === null ? [] : [{ sql: order === 'asc' ? 't.seq > ?' : 't.seq < ?', params: [from] }];
  const { sql, params } = sequencesSql(filter, range, order, limit);
  const rows = await em.execute<{ seq: number | string }[]>(sql, [...params]);
  return rows.map(({ seq }) => Number(seq));
};

const any = async (
  em: SqlEntityManager,
  filter: TaskFilter,
  order: 'asc' | 'desc',
  from: number,
): Promise<boolean> => (await sequences(em, filter, order, 1, from)).length > 0;

/** As many as one reply can hold, and at least one. */
const readWhatFits = async (em: SqlEntityManager, seqs: readonly number[]): Promise<TaskView[]> => {
  const views: TaskView[] = [];
  let bytes = 0;
  for (let from = 0; from < seqs.length; from += READ_AT_ONCE) {
    for (const whole of await readTaskViews(em, seqs.slice(from, from + READ_AT_ONCE))) {
      const view = fitted(whole, REPLY_MAX_BYTES);
      bytes += bytesOf(view) + 1;
      if (bytes > REPLY_MAX_BYTES && views.length > 0) return views;
      views.push(view);
    }
  }
  return views;
};
