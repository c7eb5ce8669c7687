import { access, mkdir, readdir, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import { isId, type TaskId } from '#libs/domain/ids.js';
import type { StepDispatched, TaskEvent } from '#libs/domain/task/events.js';
import { START, type EventLog } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import type { Logger } from '#libs/runtime/logger.js';
import { StepError } from '../step-error.js';
import { refuseMissingFiles, taskFilesOf, type TaskFiles } from './made-elsewhere.js';
import { removeTree } from './remove-tree.js';
import type { Workspace } from './workspace.js';

export type TaskWorkspacesOptions = {
  /** Made when the first workspace is. */
  readonly folder: string;
  readonly maxBytes: number;
  readonly tasks: Pick<EventLog, 'tail' | 'replay' | 'follow'>;
  readonly logger: Logger;
};

export type OpenWorkspace = Workspace & {
  /** `done`: the attempt ran to its end, so what later steps need of it is here. */
  readonly close: (done: boolean) => Promise<void>;
};

type Known = { uses: number; over: boolean };

/** Facts behind which nothing of a task runs any more. */
const END_FACTS = ['completed', 'failed', 'cancelled'] as const;

/**
 * The workspaces of tasks in one folder: `<task>/files` is shared by its steps, `<task>/attempts/<lease>` belongs to one attempt, and
 * `<task>/done/<lease>` says that an attempt ran to its end here. The log says when a task is over; it is only listened to while
 * there are workspaces, so that executors without such steps hear nothing of it.
 */
export class TaskWorkspaces {
  readonly #known = new Map<TaskId, Known>();
  #watch: { readonly stop: AbortController; readonly begun: Promise<void> } | null = null;
  #removing = new Set<Promise<void>>();

  constructor(private readonly options: TaskWorkspacesOptions) {}

  get count(): number {
    return this.#known.size;
  }

  /** Takes up what an earlier executor left; what belongs to tasks that are over or gone is removed in the background. */
  async start(): Promise<void> {
    const found = await readdir(this.options.folder).catch(() => []);
    for (const taskId of found.filter(isId)) this.#known.set(taskId, { uses: 0, over: false });
    if (this.#known.size > 0) await this.#listen();
  }

  /** Ends the listening. What is there stays for the next executor. */
  async stop(): Promise<void> {
    this.#watch?.stop.abort();
    await Promise.allSettled(this.#removing);
  }

  /** Rejects with `StepError` when files that the step needs are not here. */
  async open({ taskId, stepId, lease }: StepDispatched): Promise<OpenWorkspace> {
    const known = this.#known.get(taskId) ?? { uses: 0, over: false };
    known.uses += 1;
    this.#known.set(taskId, known);
    const home = join(this.options.folder, taskId);
    const scratch = join(home, 'attempts', lease.leaseId);
    const done = join(home, 'done', lease.leaseId);
    const release = async (): Promise<void> => {
      await removeTree(scratch);
      known.uses -= 1;
      if (known.over && known.uses === 0) this.#remove(taskId);
    };
    try {
      await this.#listen().catch(logAway);
      const history = await this.#history(taskId).catch(logAway);
      known.over ||= history.over;
      await refuseMissingFiles(history, stepId, async (leaseId) => await exists(join(home, 'done', leaseId)));
      for (const folder of ['files', 'done', `attempts/${lease.leaseId}`])
        await mkdir(join(home, folder), { recursive: true, mode: 0o700 });
      const close = async (ended: boolean): Promise<void> => {
        try {
          if (ended) await writeFile(done, '');
        } finally {
          await release();
        }
      };
      const { maxBytes } = this.options;
      return {
        home,
        files: await realpath(join(home, 'files')),
        scratch: await realpath(scratch),
        maxBytes,
        close,
      };
    } catch (error) {
      await release();
      throw error instanceof StepError ? error : unusable(error, home);
    }
  }

  async #history(taskId: TaskId): Promise<TaskFiles> {
    const events: TaskEvent[] = [];
    const filterSubjects = [SUBJECTS.task(taskId, '>')];
    for await (const event of this.options.tasks.replay(START, { filterSubjects }))
      events.push(typedEvent<TaskEvent>(event));
    return taskFilesOf(events);
  }

  /** Resolves when every end from now on will be heard. */
  async #listen(): Promise<void> {
    if (this.#watch === null) {
      const stop = new AbortController();
      const tail = this.options.tasks.tail();
      const watch = { stop, begun: tail.then(() => undefined) };
      this.#watch = watch;
      void tail
        .then(async ({ lastSeq }) => {
          const sweeping = this.#sweep();
          await this.#hear(lastSeq, stop.signal);
          await sweeping;
        })
        .catch((error: unknown) => {
          this.options.logger.warn(
            { error: String(error) },
            'ends of tasks are not heard; asking again later',
          );
        })
        .finally(() => {
          if (this.#watch === watch) this.#watch = null;
        });
    }
    await this.#watch.begun;
  }

  async #hear(seq: number, signal: AbortSignal): Promise<void> {
    const filterSubjects = END_FACTS.map((fact) => SUBJECTS.task('*', fact));
    for await (const { taskId } of this.options.tasks.follow({ seq, hash: '' }, { filterSubjects, signal }))
      if (taskId !== undefined) this.#ended(taskId);
  }

  /** Of what lay there before anybody listened. */
  async #sweep(): Promise<void> {
    for (const [taskId, known] of this.#known) {
      if (known.uses > 0 || known.over) continue;
      const { submitted, over } = await this.#history(taskId);
      if (over || submitted === null) this.#ended(taskId);
    }
  }

  #ended(taskId: TaskId): void {
    const known = this.#known.get(taskId);
    if (known === undefined || known.over) return;
    known.over = true;
    if (known.uses === 0) this.#remove(taskId);
  }

  #remove(taskId: TaskId): void {
    this.#known.delete(taskId);
    if (this.#known.size === 0) {
      this.#watch?.stop.abort();
      this.#watch = null;
    }
    const removing = removeTree(join(this.options.folder, taskId))
      .catch((error: unknown) => {
        this.options.logger.warn({ taskId, error: String(error) }, 'workspace not removed');
      })
      .finally(() => this.#removing.delete(removing));
    this.#removing.add(removing);
  }
}

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  );

/** Throws. Without the log nobody knows which files there are to be. */
const logAway = (error: unknown): never => {
  throw new StepError('LOG_UNAVAILABLE', `The history of the task cannot be read: ${String(error)}`);
};

const unusable = (error: unknown, home: string): StepError =>
  new StepError('INTERNAL', `The workspace '${home}' cannot be used: ${String(error)}`);
