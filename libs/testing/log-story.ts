import type { Failure } from '#libs/domain/errors.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import type { TaskSubmitted } from '#libs/domain/task/events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { LogRecording, type Dated, type Recording } from '#libs/simulation/backtest/log-recording.js';
import {
  configured,
  gib,
  loaded,
  loadStarted,
  needsModel,
  NOW_MS,
  profileOf,
  serverSpec,
  serverState,
  stepSpec,
  submitted,
  templateRegistered,
} from './builders.js';

/** A step `a` that needs this model. */
export const modelStep = (model: string, more: Partial<StepSpec> = {}): StepSpec =>
  stepSpec('a', { requirement: needsModel(model), ...more });

type Placed = {
  readonly stepId?: string;
  readonly attempt?: number;
  readonly serverId?: string;
  readonly model?: string;
};

/** The two logs of a site, told by hand: `at` says when what follows happened, in milliseconds from `NOW_MS`. */
export class LogStory {
  readonly tasks: Dated<TaskRecord>[] = [];
  readonly leases: Dated<GpuRecord>[] = [];
  #atMs = 0;

  constructor() {
    this.task(templateRegistered);
  }

  get now(): string {
    return rfc3339Of(NOW_MS + this.#atMs);
  }

  at(ms: number): this {
    this.#atMs = ms;
    return this;
  }

  task(event: TaskRecord['event']): this {
    this.tasks.push({ seq: this.tasks.length + 1, atMs: NOW_MS + this.#atMs, event });
    return this;
  }

  lease(event: GpuRecord['event']): this {
    this.leases.push({ seq: this.leases.length + 1, atMs: NOW_MS + this.#atMs, event });
    return this;
  }

  server(serverId: string, more: Partial<ServerSpec> = {}): this {
    return this.lease(configured(serverSpec(serverId, more))).state(serverId, 'up');
  }

  state(serverId: string, state: 'up' | 'down' | 'suspect'): this {
    return this.lease(serverState(serverId, state, { at: this.now }));
  }

  /** Its load begins now and takes so long. */
  loads(model: string, tookMs: number, { serverId = 'gpu1', bytes = gib(8), slots = 2 } = {}): this {
    const [beganMs, id] = [this.#atMs, `res-${serverId}-${model}`];
    this.lease(loadStarted(serverId, id, profileOf(model), { bytes, slots, at: this.now }));
    this.at(beganMs + tookMs).lease(loaded(serverId, id, { bytes, loadMs: tookMs, at: this.now }));
    return this.at(beganMs);
  }

  submits(taskId: string, more: Partial<Omit<TaskSubmitted, 'type'>> = {}): this {
    return this.task(submitted({ taskId, submittedAt: this.now, ...more }));
  }

  starts(taskId: string, { stepId = 'a', attempt = 1, serverId = 'gpu1', model }: Placed = {}): this {
    const lease = leaseOf(taskId, stepId, attempt, serverId);
    const requirement = model === undefined ? ({ kind: 'cpu' } as const) : needsModel(model);
    const residency = model === undefined ? {} : { residencyId: `res-${serverId}-${model}` };
    this.lease({
      type: 'lease.granted',
      serverId,
      leases: [{ leaseId: lease.leaseId, taskId, stepId, attempt, ...residency }],
      at: this.now,
    });
    return this.task({
      type: 'step.dispatched',
      taskId,
      stepId,
      stepType: 'ollama_generate',
      attempt,
      lease: { ...lease, token: this.leases.length },
      requirement,
      vramShare: 0.25,
      input: {},
      at: this.now,
    });
  }

  /** The last step of the task is done. */
  completes(taskId: string, placed: Placed & { readonly tokens?: number } = {}): this {
    const step = this.#success(taskId, placed);
    return this.task({ type: 'task.completed', taskId, step, result: null, at: this.now }).#release(
      taskId,
      placed,
    );
  }

  /** An attempt failed and another one follows at once. */
  failsAttempt(taskId: string, failure: Failure, placed: Placed = {}): this {
    const { stepId = 'a', attempt = 1, serverId = 'gpu1' } = placed;
    const { leaseId } = leaseOf(taskId, stepId, attempt, serverId);
    const step = { stepId, attempt, leaseId, serverId, failure, startedAt: this.now, endedAt: this.now };
    return this.task({ type: 'step.failed', taskId, step, retryAt: this.now }).#release(taskId, placed);
  }

  /** An attempt failed and the task with it. */
  failsTask(taskId: string, failure: Failure, placed: Placed = {}): this {
    const { stepId = 'a', attempt = 1, serverId = 'gpu1' } = placed;
    const { leaseId } = leaseOf(taskId, stepId, attempt, serverId);
    const step = { stepId, attempt, leaseId, serverId, failure, startedAt: this.now, endedAt: this.now };
    const failed = { type: 'task.failed', taskId, failure, step, stopped: [], at: this.now } as const;
    return this.task(failed).#release(taskId, placed);
  }

  recording(fromMs = 0, toMs = 3_600_000): Recording {
    const recording = new LogRecording(NOW_MS + fromMs, NOW_MS + toMs);
    for (const record of this.tasks) recording.task(record);
    for (const record of this.leases) recording.lease(record);
    return recording.end();
  }

  #success(
    taskId: string,
    { stepId = 'a', attempt = 1, serverId = 'gpu1', tokens }: Placed & { readonly tokens?: number },
  ) {
    const { leaseId } = leaseOf(taskId, stepId, attempt, serverId);
    const usage = { model: 'm', loadMs: 0, promptMs: 0, generationMs: 0, totalMs: 0, tokensIn: 1 };
    return {
      stepId,
      attempt,
      leaseId,
      serverId,
      output: null,
      startedAt: this.now,
      endedAt: this.now,
      ...(tokens === undefined ? {} : { usage: { ...usage, tokensOut: tokens } }),
    };
  }

  #release(taskId: string, { stepId = 'a', attempt = 1, serverId = 'gpu1' }: Placed): this {
    const { leaseId } = leaseOf(taskId, stepId, attempt, serverId);
    return this.lease({ type: 'lease.released', serverId, leaseIds: [leaseId], at: this.now });
  }
}

const leaseOf = (taskId: string, stepId: string, attempt: number, serverId: string) => ({
  leaseId: `lease-of-${taskId}-${stepId}-${attempt}`,
  serverId,
});
