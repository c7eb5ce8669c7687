import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { TaskId } from '#libs/domain/ids.js';
import type { NotifiedTask } from '#libs/domain/notify/notification-rule.js';
import type { TaskSubmitted } from '#libs/domain/task/events.js';
import type { EventLog, StoredEvent } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';

/** Tasks that are remembered; of others the submission is read again. */
const REMEMBERED_MAX = 10_000;

type Known = { readonly task: NotifiedTask; /** Of the submission. */ readonly hash: string };

/** What rules ask of a task, from its submission in the log. */
export class TaskFacts {
  readonly #known = new Map<TaskId, Known>();

  constructor(private readonly log: EventLog) {}

  /** Null for a task that the log does not have. */
  async of(taskId: TaskId): Promise<Known | null> {
    const known = this.#known.get(taskId);
    if (known !== undefined) return known;
    const filterSubjects = [SUBJECTS.task(taskId, 'submitted')];
    for await (const event of this.log.replay({ seq: 0, hash: '' }, { filterSubjects, bufferMax: 1 }))
      return this.learn(event);
    return null;
  }

  /** Takes up a submission that is read anyway. */
  learn(event: StoredEvent): Known {
    const { taskId, workspace, template, labels } = typedEvent<TaskSubmitted>(event);
    const known = { task: { id: taskId, workspace, template: template.name, labels }, hash: event.hash };
    this.#known.set(taskId, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED_MAX) break;
      this.#known.delete(oldest);
    }
    return known;
  }
}
