import type { TaskId, WorkspaceId } from '../ids.js';
import type { OneOf } from '../one-of.js';
import type { StoredArtifact } from './artifact.js';

/** Facts about artifacts. That a task has one is part of the end of the step that stored it (`step.artifacts`). */
export type ArtifactEvent = ArtifactUploaded | ArtifactRemoved;

/** Somebody sent a file for tasks of a workspace to read. */
export type ArtifactUploaded = {
  readonly type: 'artifact.uploaded';
  readonly uploadId: UploadId;
  readonly workspace: WorkspaceId;
  readonly artifact: StoredArtifact;
  readonly at: string;
};

/** Stands where a task stands in the reference of an artifact. */
export type UploadId = string;

/** An artifact can be read no more: the bytes are being taken away. */
export type ArtifactRemoved = {
  readonly type: 'artifact.removed';
  readonly artifact: StoredArtifact;
  readonly reason: RemovalReason;
  readonly at: string;
} & ArtifactOwner;

/** The task that had it, which is over; or an upload. */
export type ArtifactOwner = OneOf<{ readonly taskId: TaskId; readonly uploadId: UploadId }>;

/** `age`: it has been kept for so long since its task was over, or it was uploaded. `space`: the object store was nearly full, and it was the oldest. */
export type RemovalReason = 'age' | 'space';
