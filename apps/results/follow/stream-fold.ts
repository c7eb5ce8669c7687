import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import type { Logger } from '#libs/runtime/logger.js';
import { artifactsRemovedIn, artifactsStoredIn } from '../artifact-view.projection.js';
import { writeArtifacts } from '../database/artifact.writer.js';
import { writeLeaseChanges } from '../database/lease.writer.js';
import { readTaskDocs } from '../database/task-doc.reader.js';
import { writeTaskChanges } from '../database/task.writer.js';
import { writeWorkflows } from '../database/workflow.writer.js';
import { foldLeaseEvents } from '../lease-view.projection.js';
import { isOver, remembered, type TaskDoc } from '../task-doc.js';
import { foldTaskEvents, taskIdsOf } from '../task-view.projection.js';
import { newWorkflowsIn } from '../workflow-view.projection.js';

/** What one stream does to the read model. */
export interface StreamFold {
  /** Applies a batch inside the transaction. What it returns is called once that is committed. */
  apply(em: SqlEntityManager, events: readonly StoredEvent[]): Promise<() => void>;
  /** The transaction failed, or reading starts again: what is remembered may not be true. */
  forget(): void;
}

/** Open tasks kept in memory, at about 1 KB each, so that their next event costs no query. */
const REMEMBERED_MAX = 20_000;

export class TaskFold implements StreamFold {
  /** In order of their last event: the first is the one that waited longest. */
  readonly #remembered = new Map<string, TaskDoc>();

  constructor(private readonly logger: Logger) {}

  async apply(em: SqlEntityManager, events: readonly StoredEvent[]): Promise<() => void> {
    const ids = taskIdsOf(events);
    const known = new Map<string, TaskDoc>();
    const unknown: string[] = [];
    for (const id of ids) {
      const doc = this.#remembered.get(id);
      if (doc) known.set(id, doc);
      else unknown.push(id);
    }
    for (const doc of await readTaskDocs(em, unknown)) known.set(doc.id, doc);
    const changes = foldTaskEvents(events, known);
    await writeTaskChanges(em, changes);
    await writeWorkflows(em, newWorkflowsIn(events));
    await writeArtifacts(em, artifactsStoredIn(events), artifactsRemovedIn(events));
    return () => {
      const [first] = changes.ignored;
      if (first)
        this.logger.warn({ ...first, count: changes.ignored.length }, 'events that change no task view');
      this.#remember(changes.docs.values());
    };
  }

  forget(): void {
    this.#remembered.clear();
  }

  #remember(docs: Iterable<TaskDoc>): void {
    for (const doc of docs) {
      this.#remembered.delete(doc.id);
      if (!isOver(doc.state.status)) this.#remembered.set(doc.id, remembered(doc));
    }
    for (const id of this.#remembered.keys()) {
      if (this.#remembered.size <= REMEMBERED_MAX) break;
      this.#remembered.delete(id);
    }
  }
}

export class LeaseFold implements StreamFold {
  async apply(em: SqlEntityManager, events: readonly StoredEvent[]): Promise<() => void> {
    await writeLeaseChanges(em, foldLeaseEvents(events));
    return () => undefined;
  }

  forget(): void {
    // Nothing is remembered between batches.
  }
}
