import type { ArtifactOwner, ArtifactRemoved } from './artifact-events.js';
import type { TaskBook } from './task-book.js';

export type Removals = {
  /** The sequence up to which whoever asks knew the log. */
  readonly knownSeq: number;
  readonly removals: readonly (ArtifactOwner & Pick<ArtifactRemoved, 'artifact' | 'reason'>)[];
};

/**
 * Takes artifacts away from tasks that are over: those of a task that goes on may be read by its next step. Whoever did not know the last
 * removal may be asking for the same again, so nothing is decided then, and the state need not remember which artifacts there are.
 */
export const removeArtifacts = (
  { knownSeq, removals }: Removals,
  book: Pick<TaskBook, 'closed' | 'artifactsRemovedSeq'>,
  at: string,
): readonly ArtifactRemoved[] =>
  knownSeq < book.artifactsRemovedSeq
    ? []
    : removals
        .filter(({ taskId }) => taskId === undefined || book.closed.has(taskId))
        .map((removal) => ({ type: 'artifact.removed', ...removal, at }));
