import { objectOf, type StoredArtifact } from '#libs/domain/task/artifact.js';
import { removeArtifacts } from '#libs/domain/task/remove-artifacts.js';
import type { TaskBook, TaskRecord } from '#libs/domain/task/task-book.js';
import { isOfTask, successesIn } from '#libs/domain/task/told-apart.js';

/** What an attempt has stored, where no other one has. */
export const artifactOf = (taskId: string, leaseId: string): StoredArtifact => ({
  name: 'notes.txt',
  object: objectOf(taskId, leaseId),
  sizeBytes: 3,
  digest: `sha256:${'0'.repeat(64)}`,
  contentType: 'text/plain',
});

/** As results asks for it: all that is there of a task. Who is `stale` has seen no removal, and asks for all of them again. */
export const removalsOf = (
  taskId: string,
  stale: boolean,
  world: { readonly book: TaskBook; readonly log: readonly TaskRecord[]; readonly at: string },
): ReturnType<typeof removeArtifacts> => {
  const removed = new Set<string>();
  const stored: StoredArtifact[] = [];
  for (const { event } of world.log) {
    if (event.type === 'artifact.removed') removed.add(event.artifact.object);
    if (!isOfTask(event) || event.taskId !== taskId) continue;
    stored.push(...successesIn(event).flatMap(({ artifacts = [] }) => artifacts));
  }
  const left = stored.filter(({ object }) => stale || !removed.has(object));
  const removals = left.map((artifact) => ({ taskId, artifact, reason: 'age' as const }));
  const knownSeq = stale && removed.size > 0 ? 0 : world.book.seq;
  return removeArtifacts({ knownSeq, removals }, world.book, world.at);
};
