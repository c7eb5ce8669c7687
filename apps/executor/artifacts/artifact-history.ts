import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import type { ArtifactRemoved, ArtifactUploaded } from '#libs/domain/task/artifact-events.js';
import type { StepCompleted, TaskCompleted } from '#libs/domain/task/events.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';

/** What the log says of a task, as far as its artifacts need that. */
export type TaskHistory = {
  /** Null for a task that was never submitted, and an upload that was never made. */
  readonly workspace: string | null;
  readonly artifacts: ReadonlyMap<string, StoredArtifact>;
  /** By name, those that can be read no more. */
  readonly removed: ReadonlyMap<string, ArtifactRemoved>;
};

export const EMPTY: TaskHistory = { workspace: null, artifacts: new Map(), removed: new Map() };

export const artifactsIn = (before: TaskHistory, stored: StoredEvent): TaskHistory => {
  if (stored.type === 'task.submitted')
    return { ...before, workspace: stored.workspace ?? workspaceIn(stored.data) };
  if (stored.type === 'artifact.uploaded') {
    const { workspace, artifact } = typedEvent<ArtifactUploaded>(stored);
    return { ...before, workspace, artifacts: new Map([[artifact.name, artifact]]) };
  }
  if (stored.type === 'artifact.removed') {
    const event = typedEvent<ArtifactRemoved>(stored);
    return { ...before, removed: new Map(before.removed).set(event.artifact.name, event) };
  }
  const { step } = typedEvent<StepCompleted | TaskCompleted>(stored);
  if (step?.artifacts === undefined) return before;
  const artifacts = new Map(before.artifacts);
  for (const artifact of step.artifacts) artifacts.set(artifact.name, artifact);
  return { ...before, artifacts };
};

const workspaceIn = (data: unknown): string => (data as { readonly workspace: string }).workspace;
