import type { RunRecord, TaskRun } from './run-record.js';
import type { SimTask, Trace } from './trace.js';
import type { VirtualClock } from './virtual-clock.js';
import type { VirtualServer } from './virtual-server.js';

/**
 * The clients of a simulation: they submit each task of a trace when its time has come and what it needs is done, and
 * write down what becomes of it. A scheduler gets the tasks one by one and reports their starts and ends.
 */
export class Workload {
  readonly #progress = new Map<string, Progress>();
  readonly #successors = new Map<string, SimTask[]>();
  readonly #ended: TaskRun[] = [];

  constructor(
    private readonly trace: Trace,
    private readonly clock: VirtualClock,
    private readonly submit: (task: SimTask) => void,
  ) {
    for (const task of trace.tasks) {
      const waitsFor = new Set(task.after);
      this.#progress.set(task.id, { task, waitsFor, submitted: false, ...NOTHING_YET });
      for (const id of waitsFor) {
        const known = this.#successors.get(id);
        if (known) known.push(task);
        else this.#successors.set(id, [task]);
      }
      clock.at(task.atMs, () => {
        this.#of(task.id).submitted = true;
        this.#offer(task.id);
      });
    }
  }

  /** By when it will have started at the latest; what was promised first counts. */
  promise(taskId: string, startBoundMs: number): void {
    this.#of(taskId).startBoundMs ??= startBoundMs;
  }

  /** When it was to start probably. */
  predict(taskId: string, predictedMs: number): void {
    this.#of(taskId).predictedMs = predictedMs;
  }

  /** A slot has begun to work for it; the wait of a task that is started again goes on until its last start. */
  started(taskId: string): void {
    const progress = this.#of(taskId);
    progress.startedAtMs = this.clock.nowMs;
    progress.firstStartedAtMs ??= this.clock.nowMs;
  }

  /** Throws where it is not running: nothing may be done twice to its end. */
  ended(taskId: string, serverId: string): void {
    const progress = this.#of(taskId);
    const { readyAtMs, startedAtMs, firstStartedAtMs, startBoundMs, predictedMs } = progress;
    const endedAtMs = this.clock.nowMs;
    if (readyAtMs === null || startedAtMs === null || firstStartedAtMs === null || progress.over) {
      throw new Error(
        `end of '${taskId}' at ${endedAtMs} ms — expected it ready and started, and not over yet`,
      );
    }
    progress.over = true;
    const again = firstStartedAtMs === startedAtMs ? {} : { firstStartedAtMs };
    this.#ended.push({
      id: taskId,
      serverId,
      readyAtMs,
      startedAtMs,
      ...again,
      endedAtMs,
      startBoundMs,
      predictedMs,
    });
    for (const { id } of this.#successors.get(taskId) ?? []) {
      this.#of(id).waitsFor.delete(taskId);
      this.#offer(id);
    }
  }

  /** After the clock has run. Throws when a task has not ended. */
  record(scheduler: string, servers: readonly VirtualServer[]): RunRecord {
    const repeatedMs = servers.reduce((sum, { brokenMs }) => sum + brokenMs, 0);
    const deaths = servers.reduce((sum, server) => sum + server.deaths, 0);
    const missing = this.trace.tasks.length - this.#ended.length;
    if (missing !== 0) {
      const over = new Set(this.#ended.map(({ id }) => id));
      const first = this.trace.tasks.find(({ id }) => !over.has(id));
      throw new Error(
        `'${scheduler}' on '${this.trace.name}' with seed ${this.trace.seed}: ${missing} tasks have not ended, the first is '${first?.id}' — expected all ${this.trace.tasks.length}`,
      );
    }
    return {
      scheduler,
      tasks: this.#ended,
      loads: servers.reduce((sum, { loads }) => sum + loads, 0),
      overcommits: servers.reduce((sum, { overcommits }) => sum + overcommits, 0),
      busyMs: new Map(servers.map(({ serverId, busyMs }) => [serverId, busyMs])),
      ...(deaths === 0 ? {} : { deaths, repeatedMs }),
    };
  }

  #offer(taskId: string): void {
    const progress = this.#of(taskId);
    if (!progress.submitted || progress.waitsFor.size > 0) return;
    progress.readyAtMs = this.clock.nowMs;
    this.submit(progress.task);
  }

  #of(taskId: string): Progress {
    const progress = this.#progress.get(taskId);
    if (progress === undefined) throw new Error(`task '${taskId}' — expected one of '${this.trace.name}'`);
    return progress;
  }
}

type Progress = {
  readonly task: SimTask;
  readonly waitsFor: Set<string>;
  submitted: boolean;
  over: boolean;
  readyAtMs: number | null;
  startedAtMs: number | null;
  firstStartedAtMs: number | null;
  startBoundMs: number | null;
  predictedMs: number | null;
};

const NOTHING_YET = {
  over: false,
  readyAtMs: null,
  startedAtMs: null,
  firstStartedAtMs: null,
  startBoundMs: null,
  predictedMs: null,
};
