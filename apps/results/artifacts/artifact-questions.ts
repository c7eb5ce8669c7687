import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { ArtifactOwner } from '#libs/domain/task/artifact-events.js';
import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import { Task, TaskArtifact } from '../database/entities.js';

/** An artifact that can be read, of a task that is over, or an upload. */
export type KeptArtifact = ArtifactOwner & { readonly artifact: StoredArtifact };

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

/** Of these objects, those that are artifacts or were: whether they can be read. */
export const readableOf = async (
  em: SqlEntityManager,
  objects: readonly string[],
): Promise<ReadonlyMap<string, boolean>> => {
  const rows = await em.find(
    TaskArtifact,
    { object: { $in: [...objects] } },
    { fields: ['object', 'removedAt'], disableIdentityMap: true },
  );
  return new Map(rows.map(({ object, removedAt }) => [object, (removedAt ?? null) === null]));
};

/** Of tasks that ended before then, and of what was uploaded before then, the oldest first; at most `max`. */
export const oldestKept = async (
  em: SqlEntityManager,
  before: string,
  max: number,
): Promise<readonly KeptArtifact[]> => {
  const rows: readonly Row[] = await em.execute(
    `select a.owner, a.name, a.step_id, a.object, a.size_bytes, a.digest, a.content_type from task_artifact a
      left join task t on t.id = a.owner where a.removed_at is null and ${SINCE} < ?
      order by ${SINCE}, a.owner, a.name limit ?`,
    [before, max],
  );
  return rows.map(({ owner, name, step_id: stepId, object, size_bytes: bytes, digest, content_type }) => ({
    ...(stepId === null ? { uploadId: owner } : { taskId: owner }),
    artifact: { name, object, sizeBytes: Number(bytes), digest, contentType: content_type },
  }));
};

/** What no step stored was uploaded. Null for an artifact of a task that goes on. */
const SINCE = 'case when a.step_id is null then a.stored_at else t.ended_at end';

/** PostgreSQL gives its `bigint` as text. */
type Row = {
  readonly owner: string;
  readonly name: string;
  readonly step_id: string | null;
  readonly object: string;
  readonly size_bytes: number | string;
  readonly digest: string;
  readonly content_type: string;
};
