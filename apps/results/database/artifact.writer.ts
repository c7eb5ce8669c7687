import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { ArtifactState, RemovedState } from '../artifact-view.projection.js';
import { insertRows, updateRows, type Column } from './rows.js';

/** Writes what a batch stored, and removed then. Runs inside the transaction that moves the checkpoint. */
export const writeArtifacts = async (
  em: SqlEntityManager,
  stored: readonly ArtifactState[],
  removed: readonly RemovedState[],
): Promise<void> => {
  await insertRows(em, 'task_artifact', ARTIFACT, CONFLICT, stored);
  await updateRows(em, 'task_artifact', REMOVED_KEY, REMOVED, removed);
};

const text = <Row>(name: string, of: Column<Row>['of']): Column<Row> => ({ name, type: 'text', of });
const number = (name: string, of: Column<ArtifactState>['of']): Column<ArtifactState> => ({
  name,
  type: 'bigint',
  of,
});

const ARTIFACT: readonly Column<ArtifactState>[] = [
  text('owner', ({ owner }) => owner),
  text('name', ({ name }) => name),
  number('seq', ({ seq }) => seq),
  text('step_id', ({ stepId }) => stepId),
  text('object', ({ object }) => object),
  number('size_bytes', ({ sizeBytes }) => sizeBytes),
  text('digest', ({ digest }) => digest),
  text('content_type', ({ contentType }) => contentType),
  text('stored_at', ({ storedAt }) => storedAt),
];

const REMOVED_KEY: readonly Column<RemovedState>[] = [
  text('owner', ({ owner }) => owner),
  text('name', ({ name }) => name),
  text('object', ({ object }) => object),
];
const REMOVED: readonly Column<RemovedState>[] = [
  text('removed_at', ({ removedAt }) => removedAt),
  text('removed_reason', ({ reason }) => reason),
];

/** What is stored again takes the place of what was there. */
const CONFLICT = `(owner, name) do update set seq = excluded.seq, step_id = excluded.step_id, object = excluded.object,
  size_bytes = excluded.size_bytes, digest = excluded.digest, content_type = excluded.content_type,
  stored_at = excluded.stored_at, removed_at = null, removed_reason = null where excluded.seq > t.seq`;
