import { closeLeases, grantLeases, planLoad } from '#libs/domain/gpu/decide.js';
import { configureServers } from '#libs/domain/gpu/fleet.js';
import { applyToLedger, emptyLedger, type GpuRecord, type Ledger } from '#libs/domain/gpu/gpu.js';
import { vramShareOf } from '#libs/domain/gpu/room.js';
import { profileKey, type ModelProfile } from '#libs/domain/gpu/profile.js';
import { costsOf } from '#libs/domain/policy/costs.js';
import { forecastOf } from '#libs/domain/policy/forecast.js';
import { plan } from '#libs/domain/policy/plan.js';
import { promiseAgain, promiseFor } from '#libs/domain/policy/promise.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import { snapshotOf } from '#libs/domain/policy/snapshot-of.js';
import type { LoadWish, Placement, Plan } from '#libs/domain/policy/snapshot.js';
import type { Failure } from '#libs/domain/errors.js';
import {
  cancelTask,
  changePriority,
  dispatchStep,
  failTask,
  isRefused,
  submitTask,
  type Decision,
} from '#libs/domain/task/decide.js';
import type { TaskSubmitted } from '#libs/domain/task/events.js';
import type { MoveTo } from '#libs/domain/task/move-events.js';
import { moveTask } from '#libs/domain/task/move-task.js';
import { decideStep } from '#libs/domain/task/conditions.js';
import { expandStep } from '#libs/domain/task/expand-step.js';
import { dependencyEnded, loseLease, recordReport, type Outcome } from '#libs/domain/task/outcome.js';
import type { ResultMaker } from '#libs/domain/task/step-outcomes.js';
import { isOfGroup } from '#libs/domain/task/pauses.js';
import { expireTask } from '#libs/domain/task/queue-time.js';
import { failStep } from '#libs/domain/task/fail-step.js';
import { forceCancel } from '#libs/domain/task/force-cancel.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import type { StepAnswered } from '#libs/domain/task/waiting-events.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { rfc3339Of } from '#libs/domain/time.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import {
  itemsByParameter,
  skippedByParameter,
  waitByParameter,
  type Elsewhere,
  type ItemCount,
  type SkippedSteps,
} from './elsewhere.js';
import { TEMPLATE } from './child-tasks.js';
import { beginWaits, endWaits, takeAnswer, waitingParts, type WaitingParts } from './waiting-steps.js';

/** An attempt that was granted a slot and dispatched. */
export type Dispatched = Placement & UnderWay;

/** What names an attempt to those that end it. */
export type UnderWay = {
  readonly step: Pick<ReadyStep, 'taskId' | 'stepId' | 'attempt'>;
  readonly leaseId: string;
  readonly token: number;
  readonly at: string;
};

/** Told of every fact, in the order of its log. */
export type Heard = {
  readonly task?: (record: TaskRecord) => void;
  readonly lease?: (record: GpuRecord) => void;
};

export type Folds = { readonly book: TaskBook; readonly ledger: Ledger };

export type Submission = Omit<TaskSubmitted, 'type' | 'template'>;

const NO_RESULT: ResultMaker = () => ({ ok: true, result: null });

/** Nobody reads it. */
const BEGIN = rfc3339Of(0);

/**
 * Scheduler and allocator without their shells: the folds, the deciders and the policy that run in production, in one process. Whoever
 * drives it says what time it is and what the servers did.
 */
export class ControlPlane {
  readonly book: TaskBook;
  readonly ledger: Ledger;
  readonly index: TaskIndex;
  readonly #onTask: (record: TaskRecord) => void;
  readonly #onLease: (record: GpuRecord) => void;
  readonly #skips: SkippedSteps;
  readonly #items: ItemCount;
  readonly #waiting: WaitingParts;
  #leases: number;
  #residencies: number;

  /** `folded`: where it takes up; the start of both logs without it. */
  constructor(
    private readonly knownBytes: ReadonlyMap<string, number>,
    heard: Heard = {},
    folded: Folds = { book: emptyBook(), ledger: emptyLedger() },
    elsewhere: Elsewhere = {},
  ) {
    this.#skips = elsewhere.skips ?? skippedByParameter;
    this.#items = elsewhere.items ?? itemsByParameter;
    this.#onTask = heard.task ?? (() => {});
    this.#onLease = heard.lease ?? (() => {});
    this.book = folded.book;
    this.ledger = folded.ledger;
    // No id that the ledger knows has a higher number than it has events.
    this.#leases = this.ledger.seq;
    this.#residencies = this.ledger.seq;
    this.index = new TaskIndex(this.book, costsOf(this.book.paces, this.ledger));
    this.#waiting = waitingParts(this, elsewhere.waits ?? waitByParameter, elsewhere.waits !== undefined);
  }

  /** The first facts of a log. */
  begin(policy: PolicySettings): void {
    this.tell(
      [
        { type: 'policy.changed', policy, at: BEGIN },
        { type: 'template.registered', template: TEMPLATE, definition: {}, at: BEGIN },
      ],
      0,
    );
  }

  tell(events: readonly TaskRecord['event'][], nowMs: number): void {
    for (const event of events) this.tellTogether([event], nowMs);
  }

  /** All of them before anything follows of one. */
  tellTogether(events: readonly TaskRecord['event'][], nowMs: number): void {
    for (const event of events) {
      const record = { seq: this.book.seq + 1, event };
      applyToBook(this.book, record);
      if ('taskId' in event) this.index.refresh(event.taskId, nowMs);
      else if ('scope' in event && isOfGroup(event.scope)) this.index.rebuild(nowMs);
      this.#onTask(record);
    }
    for (const event of events) {
      this.#decideConditions(nowMs);
      beginWaits(this.#waiting, nowMs);
      if (event.type === 'task.failed' || event.type === 'task.cancelled')
        this.#endDependents(event.taskId, event.at, nowMs);
    }
  }

  /** Leaves out the steps that `skips` names, and opens the items of those that have some. */
  #decideConditions(nowMs: number): void {
    for (const taskId of this.index.undecided.take()) {
      for (const { spec } of this.book.open.get(taskId)?.steps ?? []) {
        const task = this.book.open.get(taskId);
        const given = { at: rfc3339Of(Math.floor(nowMs)), result: NO_RESULT };
        const holds = task !== undefined && !this.#skips(task).includes(spec.id);
        this.tell(decideStep(task, { stepId: spec.id, holds }, given), nowMs);
        const open = this.book.open.get(taskId);
        if (open && spec.forEach)
          this.tell(expandStep(open, { stepId: spec.id, items: this.#items(open, spec.id) }, given), nowMs);
      }
    }
  }

  #endDependents(taskId: string, at: string, nowMs: number): void {
    for (const dependent of this.index.takeDependents(taskId)) {
      const task = this.book.open.get(dependent);
      if (task === undefined) continue;
      const events = dependencyEnded(task, taskId, this.book, at);
      if (events.length > 0) this.tell(events, nowMs);
      // It goes on without what it waited for.
      else {
        this.index.refresh(dependent, nowMs);
        this.#decideConditions(nowMs);
        beginWaits(this.#waiting, nowMs);
      }
    }
  }

  /** A submission that was accepted elsewhere. What it needs may have ended otherwise here. */
  accept(submitted: TaskSubmitted, nowMs: number): void {
    this.tell([submitted], nowMs);
    for (const needed of submitted.dependsOn) {
      const task = this.book.open.get(submitted.taskId);
      if (task) this.tell(dependencyEnded(task, needed, this.book, submitted.submittedAt), nowMs);
    }
  }

  /** What has waited longer than it was allowed to fails, and steps at the end of tasks end with their time. */
  expireQueued(nowMs: number): void {
    for (const taskId of this.index.takeExpired(nowMs)) {
      const task = this.book.open.get(taskId);
      if (task) this.tell(expireTask(task, Math.floor(nowMs)), nowMs);
    }
  }

  allocate(events: readonly GpuRecord['event'][]): void {
    for (const event of events) {
      const record = { seq: this.ledger.seq + 1, event };
      applyToLedger(this.ledger, record);
      this.#onLease(record);
    }
  }

  configure(servers: readonly ServerSpec[], at: string): void {
    this.allocate(configureServers(this.ledger, servers, at));
  }

  /** Null when it was accepted. */
  submit(wanted: Submission, nowMs: number): Failure | null {
    const submission = { ...wanted, template: TEMPLATE };
    const promise = promiseFor(submission, this.book, this.index.bounds);
    const given = promise ? { ...submission, promise } : submission;
    const decided = submitTask(given, this.book, { openTasksMax: Infinity });
    if ('repeatedOf' in decided) throw new Error(`task '${wanted.taskId}' was submitted before`);
    if (isRefused(decided)) return decided.refused;
    this.tell(decided, nowMs);
    return null;
  }

  /** `busy`: servers whose load or unload does not show in the ledger yet. */
  decide(nowMs: number, busy: ReadonlySet<string>): Plan {
    this.index.wake(nowMs);
    endWaits(this.#waiting, nowMs);
    this.#decideConditions(nowMs);
    beginWaits(this.#waiting, nowMs);
    const asked = { asked: new Map<string, number>(), loadsAsked: busy, knownBytes: this.knownBytes };
    return plan(snapshotOf(this, asked, nowMs));
  }

  /** Predicts the start of what has become ready and was not placed. */
  foresee(nowMs: number, busy: ReadonlySet<string>): void {
    const { predictions, bounds } = this.index;
    if (!predictions.isDue) return;
    const asked = { asked: new Map<string, number>(), loadsAsked: busy, knownBytes: this.knownBytes };
    const snapshot = snapshotOf(this, asked, nowMs);
    predictions.make(snapshot, forecastOf(snapshot), bounds);
  }

  /** Grants a slot and dispatches; throws where the allocator would refuse what the policy planned. */
  dispatch(placement: Placement, nowMs: number, at: string): Dispatched {
    const { step, serverId, residencyId } = placement;
    const { taskId, stepId, attempt } = step;
    this.#leases += 1;
    const leaseId = `lease-${this.#leases}`;
    const request = {
      leaseId,
      serverId,
      taskId,
      stepId,
      attempt,
      ...(residencyId === undefined ? {} : { residencyId }),
    };
    const { events, refused } = grantLeases(this.ledger, [request], at);
    if (refused.length > 0)
      throw new Error(`lease for '${taskId}' on ${serverId}: ${JSON.stringify(refused)}`);
    this.allocate(events);
    const token = this.ledger.seq;
    const lease = { leaseId, token, serverId };
    const vramShare = vramShareOf(this.ledger, serverId, residencyId) ?? 0;
    const predictedMs = this.index.predictions.of(taskId, stepId);
    this.tell(
      dispatchStep(
        this.book.open.get(taskId),
        {
          stepId,
          attempt,
          lease,
          vramShare,
          ...(predictedMs === undefined ? {} : { predictedStartAt: rfc3339Of(Math.floor(predictedMs)) }),
          input: {},
          at,
        },
        this.book.pauses,
      ),
      nowMs,
    );
    return { ...placement, leaseId, token, at };
  }

  /** Takes a report and closes the lease. */
  end({ step, leaseId, token, at: startedAt }: UnderWay, outcome: Outcome, nowMs: number, at: string): void {
    const report = {
      stepId: step.stepId,
      attempt: step.attempt,
      leaseId,
      token,
      startedAt,
      endedAt: at,
      outcome,
    };
    const given = { at, random: 0.5, result: NO_RESULT };
    this.tell(recordReport(this.book.open.get(step.taskId), report, given), nowMs);
    this.allocate(closeLeases(this.ledger, [leaseId], { type: 'lease.released' }, at));
  }

  /** The lease was not renewed: the attempt counts no more. */
  expire({ step, leaseId, token }: UnderWay, nowMs: number, at: string): void {
    this.allocate(closeLeases(this.ledger, [leaseId], { type: 'lease.expired', ttlMs: 0 }, at));
    const given = { at, random: 0.5, result: NO_RESULT };
    this.tell(loseLease(this.book.open.get(step.taskId), { leaseId, token }, given), nowMs);
  }

  /** With force, what runs at its end does not either. */
  cancel(taskId: string, nowMs: number, at: string, force = false): void {
    this.#tellUnlessRefused((force ? forceCancel : cancelTask)(taskId, 'unneeded', this.book, at), nowMs);
  }

  changePriority(taskId: string, priority: number, nowMs: number, at: string): void {
    this.#tellUnlessRefused(changePriority(taskId, priority, this.book, at), nowMs);
  }

  move(taskId: string, to: MoveTo, nowMs: number, at: string): void {
    const { book, index } = this;
    const decision = moveTask({ taskId, to, reason: 'it matters', by: 'somebody' }, book, {
      at,
      placeOf: (task) => index.placeOf(task),
      promiseAgain: (task) => promiseAgain(task, nowMs, book, index.bounds),
    });
    this.#tellUnlessRefused(decision, nowMs);
  }

  /** An answer that came; to a question that was not asked here it is none. */
  answer(answer: StepAnswered, nowMs: number): void {
    takeAnswer(this.#waiting, answer, nowMs);
  }

  #tellUnlessRefused(decision: Decision, nowMs: number): void {
    if (!isRefused(decision)) this.tell(decision, nowMs);
  }

  /** A step can never run. */
  cannotRun({ taskId, stepId }: Pick<ReadyStep, 'taskId' | 'stepId'>, failure: Failure, nowMs: number): void {
    const task = this.book.open.get(taskId);
    const at = rfc3339Of(Math.floor(nowMs));
    if (task) this.tell(failStep(task, { stepId, failure }, at), nowMs);
  }

  /** The task has failed by something that does not happen here. */
  fail(taskId: string, failure: Failure, nowMs: number, at: string): void {
    const task = this.book.open.get(taskId);
    if (task) this.tell(failTask(task, failure, at), nowMs);
  }

  /** Throws where the allocator would refuse what the policy planned. */
  checkLoad({ serverId, profile, evict }: LoadWish): void {
    const server = this.ledger.servers.get(serverId);
    const planned = server && planLoad(server, profile, this.bytesOf(profile), evict);
    if (planned?.kind !== 'swap')
      throw new Error(
        `load of ${profile.model} on ${serverId} in place of ${evict.join(', ')}: ${JSON.stringify(planned)}`,
      );
  }

  bytesOf(profile: ModelProfile): number {
    return this.knownBytes.get(profileKey(profile)) ?? 0;
  }

  newResidencyId(): string {
    this.#residencies += 1;
    return `r${this.#residencies}`;
  }
}
