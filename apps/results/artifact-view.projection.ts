import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import type { ArtifactRemoved, ArtifactUploaded } from '#libs/domain/task/artifact-events.js';
import type { StepSuccess, TaskEvent } from '#libs/domain/task/events.js';
import { successesIn } from '#libs/domain/task/told-apart.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';

/** One artifact of a task, as it was stored last under its name. */
export type ArtifactState = StoredArtifact & {
  /** The task, or the upload. */
  readonly owner: string;
  /** Sequence of the fact. */
  readonly seq: number;
  readonly stepId: string | null;
  readonly storedAt: string;
};

/** Highest version of the events' data that is understood here. */
const DATA_VERSION_MAX = 1;

/** What a batch stores: of several under one name the last. */
export const artifactsStoredIn = (events: readonly StoredEvent[]): readonly ArtifactState[] => {
  const stored = new Map<string, ArtifactState>();
  for (const event of events)
    for (const artifact of storedBy(event)) stored.set(`${artifact.owner}/${artifact.name}`, artifact);
  return [...stored.values()];
};

/** One that can be read no more. */
export type RemovedState = {
  readonly owner: string;
  readonly name: string;
  readonly object: string;
  readonly removedAt: string;
  readonly reason: string;
};

export const artifactsRemovedIn = (events: readonly StoredEvent[]): readonly RemovedState[] =>
  events
    .filter(({ type, version }) => type === 'artifact.removed' && version <= DATA_VERSION_MAX)
    .map((stored) => {
      const { taskId, uploadId, artifact, reason, at } = typedEvent<ArtifactRemoved>(stored);
      return {
        owner: taskId ?? uploadId,
        name: artifact.name,
        object: artifact.object,
        removedAt: at,
        reason,
      };
    });

/** Events that may say how a step has ended. */
const ENDS: ReadonlySet<string> = new Set<TaskEvent['type']>([
  'step.completed',
  'task.finishing',
  'task.completed',
  'task.failed',
  'task.cancelled',
]);

const storedBy = (event: StoredEvent): readonly ArtifactState[] => {
  if (event.version > DATA_VERSION_MAX) return [];
  if (event.type === 'artifact.uploaded') {
    const { uploadId: owner, artifact, at } = typedEvent<ArtifactUploaded>(event);
    return [{ ...artifact, owner, seq: event.seq, stepId: null, storedAt: at }];
  }
  if (!ENDS.has(event.type)) return [];
  const ended = typedEvent<TaskEvent>(event);
  return successesIn(ended).flatMap((step) => ofStep(step, ended.taskId, event.seq));
};

const ofStep = (
  { artifacts = [], stepId, endedAt }: StepSuccess,
  owner: string,
  seq: number,
): readonly ArtifactState[] =>
  artifacts.map((artifact) => ({ ...artifact, owner, seq, stepId, storedAt: endedAt }));
