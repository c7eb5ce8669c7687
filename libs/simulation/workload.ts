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

  /** By when it will have started at the latest. */
  promise(taskId: string, startBoundMs: number): void {
    this.#of(taskId).startBoundMs = startBoundMs;
  }

  /** When it was to start probably. */
  predict(taskId: string, predictedMs: number): void {
    this.#of(taskId).predictedMs = predictedMs;
  }

  /** A slot has begun to work for it; a task that is started again counts from its last start. */
  started(taskId: string): void {
    this.#of(taskId).startedAtMs = this.clock.nowMs;
  }

  ended(taskId: string, serverId: string): void {
    const { readyAtMs, startedAtMs, startBoundMs, predictedMs } = this.#of(taskId);
    const endedAtMs = this.clock.nowMs;
    if (readyAtMs === null || startedAtMs === null) {
      throw new Error(`end of '${taskId}' at ${endedAtMs} ms — expected it ready and started`);
    }
    this.#ended.push({ id: taskId, serverId, readyAtMs, startedAtMs, endedAtMs, startBoundMs, predictedMs });
    for (const { id } of this.#successors.get(taskId) ?? []) {
      this.#of(id).waitsFor.delete(taskId);
      this.#offer(id);
    }
  }

  /** After the clock has run. Throws when a task has not ended. */
  record(scheduler: string, servers: readonly VirtualServer[]): RunRecord {
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
  readyAtMs: number | null;
  startedAtMs: number | null;
  startBoundMs: number | null;
  predictedMs: number | null;
};

const NOTHING_YET = { readyAtMs: null, startedAtMs: null, startBoundMs: null, predictedMs: null };
