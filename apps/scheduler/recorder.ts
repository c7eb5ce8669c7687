import type { LogWriter } from '#libs/event-log/event-log.js';
import { subjectToken, SUBJECTS } from '#libs/contracts/subjects.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { isOfGroup } from '#libs/domain/task/pauses.js';
import { applyToBook, type TaskBook } from '#libs/domain/task/task-book.js';
import type { TaskIndex } from '#libs/domain/task/task-index.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';

/** Where a fact comes from: a command or a report in its stream, and the trace that it belongs to. */
export type Cause = { readonly id: string; readonly traceparent?: string };

/**
 * Of several decisions with one cause only the last one says that the cause has had its effect: a leader that follows on one that died
 * between them decides it again, for what was not reached.
 */
const partOf = (cause: Cause | undefined): Cause | undefined => cause && { ...cause, id: `part-${cause.id}` };

export type Recorded = { readonly seq: number; readonly acknowledged: () => Promise<void> };

/**
 * Writes facts and folds them, in this order and in one turn: what the scheduler decides next already counts them.
 * That is safe because a rejected append ends the writer and with it everything decided since. Nothing may leave
 * the scheduler (an answer, a dispatch) before `acknowledged`.
 */
export class Recorder {
  #written = 0;
  #last: Recorded;

  constructor(
    private readonly writer: LogWriter,
    readonly book: TaskBook,
    readonly index: TaskIndex,
    private readonly clock: Clock,
    private readonly on: {
      /** A task has failed or was cancelled. */
      readonly givenUp: (taskId: string) => void;
      /** Facts were recorded. */
      readonly changed: () => void;
    },
  ) {
    this.#last = { seq: book.seq, acknowledged: () => Promise.resolve() };
  }

  /** The latest fact: an answer that depends on "nothing new" is true once this is acknowledged. */
  get last(): Recorded {
    return this.#last;
  }

  /**
   * With no events it is `last`. Decisions that each stand alone carry their cause on the last one: who leads next takes the request up
   * again for what was not reached. Where the first fact is the whole decision, each of them carries it.
   */
  record(
    events: readonly (TaskEvent | SchedulerEvent)[],
    cause?: Cause,
    on: 'each' | 'last' = 'last',
  ): Recorded {
    if (events.length === 0) return this.#last;
    const nowMs = this.clock.nowMs();
    const time = rfc3339(nowMs);
    const causes = events.map((_, place) =>
      on === 'each' || place === events.length - 1 ? cause : partOf(cause),
    );
    const { events: stored, acknowledged } = this.writer.append(
      events.map((event, place) => this.#envelope(event, time, causes[place])),
    );
    for (const [place, event] of events.entries()) {
      const seq = stored[place]?.seq ?? 0;
      const causationId = causes[place]?.id;
      applyToBook(this.book, { seq, event, ...(causationId === undefined ? {} : { causationId }) });
      if ('taskId' in event) this.index.refresh(event.taskId, nowMs);
      else if ('scope' in event && isOfGroup(event.scope)) this.index.rebuild(nowMs);
    }
    const recorded = { seq: this.book.seq, acknowledged };
    this.#last = recorded;
    for (const event of events) {
      if (event.type === 'task.failed' || event.type === 'task.cancelled') this.on.givenUp(event.taskId);
    }
    this.on.changed();
    return recorded;
  }

  #envelope(event: TaskEvent | SchedulerEvent, time: string, cause: Cause | undefined) {
    const { type, ...data } = event;
    this.#written += 1;
    const ofTask = 'taskId' in event;
    const workspace =
      'workspace' in event
        ? event.workspace
        : ofTask
          ? this.book.open.get(event.taskId)?.workspace
          : undefined;
    return {
      id: `tasks-${this.writer.epoch}-${this.#written}`,
      type,
      version: 1,
      subject: ofTask
        ? SUBJECTS.task(event.taskId, subjectToken(type))
        : 'uploadId' in event
          ? SUBJECTS.upload(event.uploadId, subjectToken(type))
          : SUBJECTS.scheduler(subjectToken(type)),
      time,
      data,
      ...(ofTask ? { taskId: event.taskId, correlationId: event.taskId } : {}),
      ...(workspace === undefined ? {} : { workspace }),
      ...(cause ? { causationId: cause.id } : {}),
      ...(cause?.traceparent === undefined ? {} : { traceparent: cause.traceparent }),
    };
  }
}
