import type { LeaseId, StepId, TaskId } from '#libs/domain/ids.js';
import type { StepDispatched, TaskEvent, TaskFinishing, TaskSubmitted } from '#libs/domain/task/events.js';
import type { ImpossibleStep } from '#libs/domain/task/step-decisions.js';
import { itemRefOf } from '#libs/domain/task/items.js';
import { toldApart } from '#libs/domain/task/told-apart.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { Waited, WaitingEvent } from '#libs/domain/task/waiting-events.js';
import type { AuditRecord } from './audit-record.js';
import { attemptName, type Attempt } from './attempts.js';
import {
  auditedTask,
  endOf,
  endStep,
  itemStep,
  neededBy,
  rerunProblem,
  unmetOf,
  whyNotExpanded,
  whyUndecided,
  type AuditedStep,
  type AuditedTask,
  type StepEnd,
} from './audited-task.js';
import { endProblem, expiryProblem, finishingProblem, type TaskOver } from './end-audit.js';
import type { Findings } from './findings.js';
import { moveProblem } from './move-audit.js';
import { outcomesOf, type AttemptOutcome } from './outcomes.js';
import type { RuleName } from './rules.js';
import { wrongSecrets } from './secret-audit.js';
import { startProblems, type Start } from './start-rules.js';
import { isAboutWaiting, WaitAudit, waitedIn } from './wait-audit.js';

type Place = { readonly seq: number; readonly taskId: TaskId };

type AuditedEvent = TaskEvent | Extract<SchedulerEvent, { readonly type: `scheduling.${string}` }>;

type Over = 'task.completed' | 'task.failed' | 'task.cancelled';
const OVER: ReadonlySet<string> = new Set<Over>(['task.completed', 'task.failed', 'task.cancelled']);

/** What each task and each of its attempts may do next, as the promises say it and not as the scheduler decides it. */
export class TaskAudit {
  readonly #open = new Map<TaskId, AuditedTask>();
  readonly #over = new Map<TaskId, { readonly how: Over; readonly steps: ReadonlyMap<StepId, StepEnd> }>();
  readonly #paused = new Set<string>();
  readonly #waiting = new WaitAudit();
  /** Every attempt so far by its lease: no two have the same. */
  readonly attempts = new Map<LeaseId, Attempt>();

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  isKnown(taskId: TaskId): boolean {
    return this.#open.has(taskId) || this.#over.has(taskId);
  }

  get count(): { readonly open: number; readonly over: number } {
    return { open: this.#open.size, over: this.#over.size };
  }

  /** For a platform of which somebody says that nothing is under way. */
  settle(): void {
    for (const [taskId, { submittedSeq }] of this.#open)
      this.#found('STILL_OPEN', { seq: submittedSeq, taskId }, `task ${taskId} has not ended`);
  }

  take(record: AuditRecord): void {
    const event = { ...record.data, type: record.type } as unknown as AuditedEvent;
    if (event.type === 'scheduling.paused') return void this.#paused.add(event.scope);
    if (event.type === 'scheduling.resumed') return void this.#paused.delete(event.scope);
    const { taskId } = event;
    const at = { seq: record.seq, taskId };
    if (this.#over.has(taskId)) {
      const text = `${event.type} of task ${taskId}, which ended with ${this.#over.get(taskId)?.how}`;
      this.#found(event.type === 'task.submitted' ? 'SUBMITTED_TWICE' : 'ENDED_TWICE', at, text);
      return;
    }
    const task = this.#open.get(taskId);
    if (event.type === 'task.submitted') {
      if (task) this.#found('SUBMITTED_TWICE', at, `task ${taskId} began at ${task.submittedSeq} already`);
      else this.#open.set(taskId, this.#begun(event, record.seq));
      return;
    }
    if (task === undefined) {
      this.#found('NOT_SUBMITTED', at, `${event.type} of task ${taskId}, which never began`);
      return;
    }
    for (const told of toldApart(event)) this.#told(task, told, record);
  }

  #told(task: AuditedTask, event: TaskEvent, record: AuditRecord): void {
    const { taskId } = event;
    const at = { seq: record.seq, taskId };
    if (event.type === 'step.dispatched') {
      this.#started(task, event, record.seq);
      const wrong = wrongSecrets(event, task.scopes);
      if (wrong !== null)
        this.#found('SECRET_WRONGLY', at, `step ${event.stepId} of task ${taskId}: ${wrong}`);
    }
    if (event.type === 'task.moved') this.#report(moveProblem(task, event, this.#open), at);
    if (isAboutWaiting(event)) this.#waits(task, event, at);
    const waited = waitedIn(event);
    if (waited && 'at' in event) this.#waited(task, waited, event, at);
    for (const outcome of outcomesOf(event))
      this.#ended(task, outcome, { ...record, type: event.type }, taskId);
    this.#overWithout(task, event, at);
    if (event.type === 'task.failed' && event.failure.code === 'QUEUE_TTL_EXPIRED')
      this.#report(expiryProblem(task, event), at);
    if (event.type === 'task.cancel-requested' || event.type === 'task.failing') task.ending = true;
    if (event.type === 'task.failing' && task.finishing === null) task.failing = true;
    if (event.type === 'task.completed' && task.failing)
      this.#found('ABANDONED_WRONGLY', at, `task ${taskId} was completed though it was failing`);
    if (event.type === 'task.finishing') this.#finishing(task, event, at);
    if (isEnd(event)) this.#close(task, event, at);
  }

  /** All have ended but the steps at its end. */
  #finishing(task: AuditedTask, event: TaskFinishing, at: Place): void {
    const why = finishingProblem(task, event);
    if (why !== null) this.#found('FINALLY_WRONGLY', at, `task ${at.taskId} came to its end, and ${why}`);
    task.finishing = { status: event.end.status, untilMs: Date.parse(event.until) };
    task.ending = false;
  }

  #impossible(task: AuditedTask, { stepId }: ImpossibleStep, at: Place): void {
    const what = `step '${stepId}' of task ${at.taskId} could not begin`;
    const step = task.steps.get(stepId) ?? this.#itemStarted(task, stepId, what, at);
    if (!step?.atEnd || task.finishing === null || step.current !== null || step.over !== null)
      this.#found('FINALLY_WRONGLY', at, `${what}, which does not run at the end, or had begun`);
    endStep(task, stepId, 'failed');
  }

  #begun(event: TaskSubmitted, seq: number): AuditedTask {
    const { taskId } = event;
    for (const { taskId: id } of neededBy(event))
      if (!this.isKnown(id))
        this.#found('NEEDS_NOT_DONE', { seq, taskId }, `task ${taskId} needs ${id}, which never began`);
    const kept = new Map(event.kept?.map((one) => [one.stepId, endOf(one)]));
    const wrong = rerunProblem(event, kept, this.#over.get(event.rerunOf ?? '')?.steps);
    if (wrong !== null) this.#found('RERUN_WRONGLY', { seq, taskId }, `task ${taskId} ${wrong}`);
    return auditedTask(event, seq);
  }

  #started(task: AuditedTask, event: StepDispatched, seq: number): void {
    const { taskId, stepId, attempt, lease } = event;
    const at = { seq, taskId };
    const what = `${attemptName(event)} of task ${taskId}`;
    const step = task.steps.get(stepId) ?? this.#itemStarted(task, stepId, what, at);
    if (step === undefined) {
      this.#found('NOT_SUBMITTED', at, `${what}: the task has no such step`);
      return;
    }
    if (step.items) this.#found('ITEMS_WRONGLY', at, `${what} started, and not one of its items`);
    this.#mayStart(task, step, { what, when: event.at, serverId: lease.serverId }, at);
    if (step.waits) this.#found('WAITED_WRONGLY', at, `${what} started though the step is one that waits`);
    if (step.current !== null || step.over === 'done' || step.over === 'failed')
      this.#found('STARTED_TWICE', at, `${what} started while attempt ${step.attempts} counts`);
    if (attempt !== step.attempts + 1 || lease.token <= step.token)
      this.#found(
        'ATTEMPTS_OUT_OF_ORDER',
        at,
        `${what} has the token ${lease.token}; the one before was attempt ${step.attempts} with token ${step.token}`,
      );
    if (this.attempts.has(lease.leaseId))
      this.#found('GRANTED_TWICE', at, `${what} uses lease ${lease.leaseId}, which another attempt has used`);
    this.attempts.set(lease.leaseId, { taskId, stepId, attempt, ...lease, startedSeq: seq, ended: null });
    step.current = lease.leaseId;
    step.attempts = attempt;
    step.token = lease.token;
  }

  /** Whatever starts, with a lease or without. */
  #mayStart(task: AuditedTask, step: AuditedStep, start: Start, at: Place): void {
    const around = { missing: this.#missing(task, step), paused: this.#paused };
    for (const [rule, message] of startProblems(task, step, start, around)) this.#found(rule, at, message);
  }

  /** What it needs that is not over, of its own task and of others. */
  #missing(task: AuditedTask, step: AuditedStep | undefined): readonly string[] {
    const others = task.needs.flatMap((need) => (this.#isMet(need) ? [] : need.taskId));
    return step ? [...unmetOf(task, step), ...others] : others;
  }

  /** A step begins to wait, or what happens of it then. */
  #waits(task: AuditedTask, event: WaitingEvent, at: Place): void {
    if (event.type === 'step.waited') return;
    if (event.type !== 'step.waiting') return this.#report(this.#waiting.happens(event), at);
    const { stepId, waiting } = event;
    const what = `the waiting of step '${stepId}' of task ${at.taskId}`;
    const step = task.steps.get(stepId) ?? this.#itemStarted(task, stepId, what, at);
    if (step === undefined) return this.#found('NOT_SUBMITTED', at, `${what}: the task has no such step`);
    this.#mayStart(task, step, { what, when: event.at }, at);
    if (step.waits !== waiting.kind || step.over !== null || this.#waiting.isWaiting(at.taskId, stepId))
      this.#found('WAITED_WRONGLY', at, `${what} began, which is no ${waiting.kind} or had begun`);
    this.#waiting.begins(event, at.seq);
    step.attempts = waiting.kind === 'task' ? waiting.attempt : 1;
  }

  #waited(
    task: AuditedTask,
    waited: Waited,
    event: { readonly type: string; readonly at: string },
    at: Place,
  ): void {
    const step = task.steps.get(waited.stepId);
    // A task that fails while others run names it again at its end.
    const isItemGone = step === undefined && itemRefOf(waited.stepId) !== null;
    const isNamedAgain = step?.over === 'failed' || (task.ending && isItemGone);
    if (event.type.startsWith('task.fail') && isNamedAgain) return;
    this.#report(this.#waiting.ends(at.taskId, waited, event.at), at);
    if (waited.failure !== undefined && waited.retryAt !== undefined) return;
    if (step) endStep(task, waited.stepId, waited.failure === undefined ? 'done' : 'failed');
    if (step?.isDispensable !== false || waited.failure === undefined) return;
    if (event.type === 'task.failing' || event.type === 'task.failed') return;
    const text = `${event.type}: the task went on without step '${waited.stepId}', which it may not`;
    this.#found('ABANDONED_WRONGLY', at, text);
  }

  #report(problem: readonly [RuleName, string] | null, at: Place): void {
    if (problem) this.#found(problem[0], at, problem[1]);
  }

  #isMet({ taskId, goesOn }: AuditedTask['needs'][number]): boolean {
    const ended = this.#over.get(taskId)?.how;
    return ended === 'task.completed' || (goesOn && ended !== undefined);
  }

  #ended(task: AuditedTask, outcome: AttemptOutcome, record: AuditRecord, taskId: TaskId): void {
    const step = task.steps.get(outcome.stepId);
    if (step?.blamed === outcome.leaseId) return;
    const attempt = this.attempts.get(step?.current ?? '');
    if (!step || !attempt || attempt.attempt !== outcome.attempt || attempt.leaseId !== outcome.leaseId) {
      const current = attempt ? `${attemptName(attempt)} under ${attempt.leaseId}` : 'none';
      const text = `${record.type} counts ${attemptName(outcome)} under ${outcome.leaseId}; the current one is ${current}`;
      this.#found('NOT_THE_CURRENT_ATTEMPT', { seq: record.seq, taskId }, text);
      return;
    }
    const ended = { seq: record.seq, atMs: Date.parse(record.time), unconfirmed: outcome.unconfirmed };
    this.attempts.set(attempt.leaseId, { ...attempt, ended });
    step.current = null;
    if (outcome.succeeded) endStep(task, outcome.stepId, 'done');
    if (record.type === 'task.failing') step.blamed = attempt.leaseId;
  }

  /** A step that ends without having succeeded, or of which it was decided that it runs. */
  #overWithout(task: AuditedTask, event: Exclude<AuditedEvent, { readonly scope: string }>, at: Place): void {
    const isCompleted = event.type === 'task.completed';
    if (event.type === 'step.admitted' || event.type === 'step.skipped')
      this.#decided(task, event.stepId, at);
    if (isCompleted && event.skipped !== undefined) this.#decided(task, event.skipped, at);
    const skipped = isCompleted ? event.skipped : event.type === 'step.skipped' ? event.stepId : undefined;
    const abandoned = isCompleted
      ? event.abandoned
      : event.type === 'step.abandoned'
        ? event.step
        : undefined;
    if (event.type === 'step.expanded') this.#expanded(task, event.stepId, event.items, at);
    if (isCompleted && event.empty !== undefined) this.#expanded(task, event.empty, 0, at);
    if (event.type === 'step.impossible') this.#impossible(task, event, at);
    if (isCompleted && event.impossible) this.#impossible(task, event.impossible, at);
    const left = task.steps.get(skipped ?? '');
    if (left) left.over = 'skipped';
    const failed = task.steps.get(abandoned?.stepId ?? '');
    if (!failed) return;
    endStep(task, abandoned?.stepId ?? '', 'failed');
    if (failed.isDispensable || failed.atEnd) return;
    const text = `${event.type}: the task went on without step '${abandoned?.stepId}', which it may not`;
    this.#found('ABANDONED_WRONGLY', at, text);
  }

  /** The step of an item that starts for the first time. */
  #itemStarted(task: AuditedTask, stepId: StepId, what: string, at: Place): AuditedStep | undefined {
    const item = itemRefOf(stepId);
    const parent = task.steps.get(item?.of ?? '');
    if (!item || !parent?.items) return undefined;
    const why = parent.items.began(item.index);
    if (why !== null) this.#found('ITEMS_WRONGLY', at, `${what} started, ${why}`);
    parent.attempts = 1;
    const step = itemStep(parent);
    task.steps.set(stepId, step);
    return step;
  }

  #expanded(task: AuditedTask, stepId: StepId, count: number, at: Place): void {
    const step = task.steps.get(stepId);
    const why = whyNotExpanded(step, this.#missing(task, step), count);
    if (why !== null)
      this.#found('ITEMS_WRONGLY', at, `it was said that step '${stepId}' has ${count} items, and it ${why}`);
    if (step && count === 0) step.over = 'done';
  }

  #decided(task: AuditedTask, stepId: StepId, at: Place): void {
    const step = task.steps.get(stepId);
    const why = whyUndecided(step, this.#missing(task, step));
    if (why !== null)
      this.#found('CONDITION_DECIDED_WRONGLY', at, `it was decided about step '${stepId}', which ${why}`);
    if (step) step.isOpen = false;
  }

  #close(task: AuditedTask, event: TaskOver, at: Place): void {
    const how = event.type;
    const why = endProblem(task, event);
    if (why !== null) this.#found('FINALLY_WRONGLY', at, `${how} of task ${at.taskId} ${why}`);
    const steps = [...task.steps];
    const running = steps.filter(([, { current }]) => current !== null).map(([id]) => id);
    if (running.length > 0)
      this.#found('ENDED_WHILE_RUNNING', at, `${how} while ${running.join(', ')} was under way`);
    const left = steps.filter(([, { over }]) => over === null).map(([id]) => id);
    if (how === 'task.completed' && left.length > 0)
      this.#found('ENDED_TOO_EARLY', at, `${how} though ${left.join(', ')} was not over`);
    this.#open.delete(at.taskId);
    this.#waiting.forget(at.taskId);
    const ends = steps.flatMap(([id, { over }]) => (over === null ? [] : [[id, over] as const]));
    this.#over.set(at.taskId, { how, steps: new Map(ends) });
  }

  #found(rule: RuleName, at: Place, message: string): void {
    this.findings.add(rule, { stream: this.stream, ...at }, message);
  }
}

const isEnd = (event: TaskEvent): event is TaskOver => OVER.has(event.type);
