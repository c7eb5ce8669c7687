import type { TaskId } from '../ids.js';
import type { StoredArtifact } from './artifact.js';

/** Facts about artifacts. That one exists is part of the end of the step that stored it (`step.artifacts`). */
export type ArtifactEvent = ArtifactRemoved;

/** An artifact can be read no more: the bytes are being taken away. */
export type ArtifactRemoved = {
  readonly type: 'artifact.removed';
  /** The task that had it, which is over. */
  readonly taskId: TaskId;
  readonly artifact: StoredArtifact;
  readonly reason: RemovalReason;
  readonly at: string;
};

/** `age`: its task has been over for so long. `space`: the object store was nearly full, and it was the oldest. */
export type RemovalReason = 'age' | 'space';
