import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import { Task, TaskArtifact } from '../database/entities.js';

/** An artifact that can be read, of a task that is over. */
export type KeptArtifact = { readonly taskId: string; readonly artifact: StoredArtifact };

/** How the tasks with these ids stand; one that is not in there was never submitted. */
export const tasksOver = async (
  em: SqlEntityManager,
  ids: readonly string[],
): Promise<ReadonlyMap<string, boolean>> => {
  const rows = await em.find(
    Task,
    { id: { $in: [...ids] } },
    { fields: ['id', 'endedAt'], disableIdentityMap: true },
  );
  return new Map(rows.map(({ id, endedAt }) => [id, (endedAt ?? null) !== null]));
};

/** Those of these objects that are artifacts which can be read. */
export const readableOf = async (
  em: SqlEntityManager,
  objects: readonly string[],
): Promise<ReadonlySet<string>> => {
  const rows = await em.find(
    TaskArtifact,
    { object: { $in: [...objects] }, removedAt: null },
    { fields: ['object'], disableIdentityMap: true },
  );
  return new Set(rows.map(({ object }) => object));
};

/** Of tasks that ended before `endedBefore`, those that ended first first; at most `max`. */
export const oldestKept = async (
  em: SqlEntityManager,
  endedBefore: string,
  max: number,
): Promise<readonly KeptArtifact[]> => {
  const rows: readonly Row[] = await em.execute(
    `select a.owner, a.name, a.object, a.size_bytes, a.digest, a.content_type from task_artifact a
      join task t on t.id = a.owner where a.removed_at is null and t.ended_at < ?
      order by t.ended_at, a.owner, a.name limit ?`,
    [endedBefore, max],
  );
  return rows.map(({ owner, name, object, size_bytes: bytes, digest, content_type: contentType }) => ({
    taskId: owner,
    artifact: { name, object, sizeBytes: Number(bytes), digest, contentType },
  }));
};

/** PostgreSQL gives its `bigint` as text. */
type Row = {
  readonly owner: string;
  readonly name: string;
  readonly object: string;
  readonly size_bytes: number | string;
  readonly digest: string;
  readonly content_type: string;
};
