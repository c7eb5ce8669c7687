import { createLogger } from '#libs/runtime/logger.js';
import type {
  QueryReply,
  QueryRequest,
  StatusCounts,
  TaskFilter,
  TaskPage,
  TaskView,
} from '#libs/contracts/queries.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { FactLog } from '#libs/testing/fact-log.js';
import type { Database } from './database/database.js';
import { QueryService } from './query/query.service.js';
import { ReadModel } from './read-model.js';

export const SILENT = createLogger({ service: 'results', instance: 'spec', level: 'silent' });

/** Longest wait for something that has to happen; reached only when it does not. */
const DEADLINE_MS = 10_000;

/** Looks until it is so. */
export const eventually = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`not so after ${DEADLINE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

/** Both truth streams, and who writes them. */
export type Streams = { readonly tasks: FactLog; readonly leases: FactLog };

export const newStreams = async (logId?: string): Promise<Streams> => ({
  tasks: await FactLog.start(new MemoryEventLog('TASKS'), logId),
  leases: await FactLog.start(new MemoryEventLog('LEASES'), logId),
});

/** A read model that runs, and the questions that it is asked. */
export class Running {
  readonly model: ReadModel;
  readonly #queries: QueryService;

  constructor(
    database: Database,
    private readonly logs: { readonly tasks: EventLog; readonly leases: EventLog },
  ) {
    this.model = new ReadModel(database, logs, SILENT, 1_000);
    this.#queries = new QueryService(this.model, SILENT);
    this.model.start();
  }

  static on(database: Database, { tasks, leases }: Streams): Running {
    return new Running(database, { tasks: tasks.log, leases: leases.log });
  }

  stop(): Promise<void> {
    return this.model.stop();
  }

  reply(request: QueryRequest): Promise<QueryReply> {
    return this.#queries.answer(request);
  }

  async value<T>(request: QueryRequest): Promise<T> {
    const reply = await this.reply(request);
    if (!reply.ok) throw new Error(`${reply.failure.code}: ${reply.failure.message}`);
    return reply.value as T;
  }

  task(taskId: string): Promise<TaskView> {
    return this.value({ kind: 'task', taskId });
  }

  page(
    filter: TaskFilter,
    size: number,
    cursor: { readonly after?: string; readonly before?: string } = {},
  ): Promise<TaskPage> {
    return this.value({ kind: 'tasks', filter, page: { size, ...cursor } });
  }

  counts(filter: TaskFilter = {}): Promise<StatusCounts> {
    return this.value({ kind: 'status-counts', filter });
  }

  /** Every matching task, page by page. */
  async all(filter: TaskFilter = {}, size = 50): Promise<TaskView[]> {
    const items: TaskView[] = [];
    let page = await this.page(filter, size);
    for (;;) {
      items.push(...page.items);
      if (page.next === null) return items;
      page = await this.page(filter, size, { after: page.next });
    }
  }

  /** Waits until both streams are included to their ends. */
  async caughtUp(): Promise<void> {
    await eventually('caught up', async () => {
      const { progress, reasons } = this.model.health();
      const tasks = await this.logs.tasks.tail();
      const leases = await this.logs.leases.tail();
      return (
        reasons.length === 0 && progress['seq'] === tasks.lastSeq && progress['leasesSeq'] === leases.lastSeq
      );
    });
  }

  /** Everything that can be asked, as one text: equal texts are equal answers, byte for byte. */
  async everything(): Promise<string> {
    const tasks = await this.all();
    const leases = [];
    for (const { id } of tasks) leases.push(await this.value({ kind: 'leases', taskId: id }));
    const items = [];
    for (const { id, steps } of tasks)
      for (const step of steps.filter((one) => one.items !== null))
        items.push(await this.value({ kind: 'items', taskId: id, stepId: step.id, page: { size: 200 } }));
    const slices = [];
    for (const workspace of ['home', 'lab'])
      slices.push(await this.page({ workspace }, 7), await this.counts({ workspace }));
    return JSON.stringify({ tasks, leases, items, slices, counts: await this.counts() });
  }
}
