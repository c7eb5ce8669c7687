import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { ArtifactList, ArtifactPlace, ArtifactView } from '#libs/contracts/queries.js';
import { ARTIFACTS_PER_TASK_MAX, referenceText } from '#libs/domain/task/artifact.js';
import { TaskArtifact, type TaskArtifactRow } from '../database/entities.js';
import { QueryFailure } from './query-failure.js';

/** By name; there are no more than fit into one answer. */
export const artifactsOf = async (em: SqlEntityManager, owner: string): Promise<ArtifactList> => {
  const rows = await em.find(
    TaskArtifact,
    { owner },
    { orderBy: { name: 'asc' }, limit: ARTIFACTS_PER_TASK_MAX, disableIdentityMap: true },
  );
  return { items: rows.map(viewOf) };
};

export const artifactNamed = async (
  em: SqlEntityManager,
  owner: string,
  name: string,
): Promise<ArtifactPlace> => {
  const row = await em.findOne(TaskArtifact, { owner, name }, { disableIdentityMap: true });
  if (row !== null) return { ...viewOf(row), object: row.object };
  throw new QueryFailure('ARTIFACT_UNKNOWN', `There is no artifact '${referenceText(owner, name)}'.`, {
    taskId: owner,
    name,
  });
};

const viewOf = (row: TaskArtifactRow): ArtifactView => ({
  reference: referenceText(row.owner, row.name),
  name: row.name,
  step_id: row.stepId ?? null,
  size_bytes: row.sizeBytes,
  digest: row.digest,
  content_type: row.contentType,
  stored_at: row.storedAt,
  removed_at: row.removedAt ?? null,
  removed_reason: row.removedReason ?? null,
});
