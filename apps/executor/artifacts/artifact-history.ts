import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import type { ArtifactRemoved, ArtifactUploaded } from '#libs/domain/task/artifact-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { successesIn } from '#libs/domain/task/told-apart.js';
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

export const artifactsIn = (before: TaskHistory, event: StoredEvent): TaskHistory => {
  if (event.type === 'task.submitted')
    return { ...before, workspace: event.workspace ?? workspaceIn(event.data) };
  if (event.type === 'artifact.uploaded') {
    const { workspace, artifact } = typedEvent<ArtifactUploaded>(event);
    return { ...before, workspace, artifacts: new Map([[artifact.name, artifact]]) };
  }
  if (event.type === 'artifact.removed') {
    const removal = typedEvent<ArtifactRemoved>(event);
    return { ...before, removed: new Map(before.removed).set(removal.artifact.name, removal) };
  }
  const stored = successesIn(typedEvent<TaskEvent>(event)).flatMap(({ artifacts = [] }) => artifacts);
  if (stored.length === 0) return before;
  const artifacts = new Map(before.artifacts);
  for (const artifact of stored) artifacts.set(artifact.name, artifact);
  return { ...before, artifacts };
};

const workspaceIn = (data: unknown): string => (data as { readonly workspace: string }).workspace;
