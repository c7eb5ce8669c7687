import type { ArtifactShelf, ShelvedObject } from '#libs/artifacts/artifact-store.js';
import type { RemoveArtifacts } from '#libs/contracts/commands.js';
import { taskOfObject } from '#libs/domain/task/artifact.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { pause } from '#libs/event-log/pause.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { HealthCheck } from '#libs/runtime/health.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { ReadModel } from '../read-model.js';
import { oldestKept, readableOf, tasksOver, type KeptArtifact } from './artifact-questions.js';

export type ArtifactKeeperOptions = {
  readonly shelf: ArtifactShelf;
  readonly readModel: Pick<ReadModel, 'read' | 'includes'>;
  readonly log: Pick<EventLog, 'tail'>;
  /** Resolves when the command is stored. */
  readonly ask: (command: Omit<RemoveArtifacts, 'commandId' | 'kind'>) => Promise<void>;
  readonly clock: Clock;
  readonly keepMs: number;
  readonly maxBytes: number;
  readonly everyMs: number;
  readonly logger: Logger;
};

/** From this part of what the store may hold on, the oldest go. */
const FULL_FROM = 0.9;

/** Removals of one command, and objects that are asked about together. */
const BATCH_MAX = 100;

/** How long the read model may take to the end of the log; if it is further behind, the next look will do. */
const INCLUDED_WAIT_MS = 5_000;

/** No writer pauses for as long between two chunks: its source or its broker would have been given up. */
const LEFTOVER_AFTER_MS = 60 * 60_000;

/** An object whose task nobody knows: longer than commands and reports are kept, so nothing can make an artifact of it any more. */
const UNKNOWN_AFTER_MS = 8 * 24 * 60 * 60_000;

/**
 * Keeps the object store to what the log says is there. What has been kept for long enough, or takes the place that others need, is asked
 * to be removed; that it is removed is a fact of the scheduler's, and only then the bytes go. What no fact names goes too, once nothing can
 * name it any more: what attempts had stored that did not count, and what writers left that died. It may run in several services at once.
 */
export class ArtifactKeeper {
  #problem: string | null = null;
  #figures = { artifactsBytes: 0, artifactsMaxBytes: 0, artifactsRemoved: 0 };

  constructor(private readonly options: ArtifactKeeperOptions) {}

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.look();
        this.#problem = null;
      } catch (error) {
        // Nothing hangs on it for now: what is there stays there, and the next look will do.
        this.#problem = String(error);
        this.options.logger.warn({ error: this.#problem }, 'artifacts were not looked through');
      }
      await pause(this.options.everyMs, signal);
    }
  }

  readonly health: HealthCheck = () => ({
    reasons: [],
    progress: { ...this.#figures, ...(this.#problem === null ? {} : { artifactsProblem: this.#problem }) },
  });

  /** One look at everything. */
  async look(): Promise<void> {
    const { shelf, log, readModel, clock, keepMs } = this.options;
    // In this order: an object that is listed has the fact that names it, if there is one, before the end of the log that is asked for then.
    const objects: ShelvedObject[] = [];
    for await (const object of shelf.objects()) objects.push(object);
    const { lastSeq } = await log.tail();
    if (!(await readModel.includes(lastSeq, INCLUDED_WAIT_MS))) return;
    for (let from = 0; from < objects.length; from += BATCH_MAX)
      await this.#sweep(objects.slice(from, from + BATCH_MAX));
    for (const { pieces, lastWrittenMs } of await shelf.leftovers())
      if (clock.nowMs() - lastWrittenMs > LEFTOVER_AFTER_MS) await shelf.removeLeftover(pieces);
    // A removal behind that was not swept yet: its bytes still count, and whoever asks for more because of them is not heard.
    const knownSeq = lastSeq;
    const tooOld = await this.#oldest(clock.nowMs() - keepMs);
    const overflow = await this.#overflow(tooOld);
    const removals = [
      ...tooOld.map((kept) => ({ ...kept, reason: 'age' as const })),
      ...overflow.map((kept) => ({ ...kept, reason: 'space' as const })),
    ].slice(0, BATCH_MAX);
    if (removals.length > 0) await this.options.ask({ knownSeq, removals });
  }

  async #oldest(endedBeforeMs: number): Promise<readonly KeptArtifact[]> {
    return await this.options.readModel.read(
      async (em) => await oldestKept(em, rfc3339(endedBeforeMs), BATCH_MAX),
    );
  }

  /** What has to go beside that so that there is room again. */
  async #overflow(going: readonly KeptArtifact[]): Promise<readonly KeptArtifact[]> {
    const { shelf, maxBytes, clock } = this.options;
    const usage = await shelf.usage();
    const limit = Math.min(maxBytes, usage.maxBytes);
    this.#figures = { ...this.#figures, artifactsBytes: usage.usedBytes, artifactsMaxBytes: limit };
    const gone = new Set(going.map(({ artifact }) => artifact.object));
    let excess = usage.usedBytes - bytesOf(going) - limit * FULL_FROM;
    const chosen: KeptArtifact[] = [];
    if (excess <= 0) return chosen;
    for (const kept of await this.#oldest(clock.nowMs())) {
      if (gone.has(kept.artifact.object)) continue;
      chosen.push(kept);
      excess -= bytesOf([kept]);
      if (excess <= 0) break;
    }
    return chosen;
  }

  /** Takes away what is no artifact, and cannot become one. */
  async #sweep(objects: readonly ShelvedObject[]): Promise<void> {
    const { readModel, shelf, clock } = this.options;
    const owners = objects.flatMap(({ object }) => taskOfObject(object) ?? []);
    const { readable, over } = await readModel.read(async (em) => ({
      readable: await readableOf(
        em,
        objects.map(({ object }) => object),
      ),
      over: await tasksOver(em, owners),
    }));
    for (const { object, storedMs } of objects) {
      const isReadable = readable.get(object);
      if (isReadable === true) continue;
      const isOver = isReadable === false || over.get(taskOfObject(object) ?? '');
      const isOld = clock.nowMs() - storedMs > UNKNOWN_AFTER_MS;
      // The report of an open task may still make an artifact of it.
      if (isOver === false || (isOver === undefined && !isOld)) continue;
      await shelf.remove(object);
      this.#figures = { ...this.#figures, artifactsRemoved: this.#figures.artifactsRemoved + 1 };
      this.options.logger.info({ object }, 'removed from the object store');
    }
  }
}

/** What the store needs of an object beside its bytes: an entry, and the headers of chunks. */
const ENTRY_BYTES = 500;

const bytesOf = (kept: readonly KeptArtifact[]): number =>
  kept.reduce((sum, { artifact }) => sum + artifact.sizeBytes + ENTRY_BYTES, 0);
