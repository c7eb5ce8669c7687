import type { LeaseId, StepId, TaskId } from '#libs/domain/ids.js';
import type {
  KeptStep,
  MoveTo,
  StepDispatched,
  TaskEvent,
  TaskMoved,
  TaskSubmitted,
} from '#libs/domain/task/events.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { OnFailure } from '#libs/domain/task/workflow.js';
import type { AuditRecord } from './audit-record.js';
import { attemptName, type Attempt } from './attempts.js';
import type { Findings } from './findings.js';
import { outcomesOf, type AttemptOutcome } from './outcomes.js';
import type { RuleName } from './rules.js';
import { wrongSecrets } from './secret-audit.js';

type Place = { readonly seq: number; readonly taskId: TaskId };

type AuditedTask = {
  readonly submittedSeq: number;
  /** `goesOn`: how the other task ended does not matter, only that it did. */
  readonly needs: readonly { readonly taskId: TaskId; readonly goesOn: boolean }[];
  readonly workspace: string;
  /** Pauses that hold it back, besides that of a server. */
  readonly scopes: readonly string[];
  /** Nothing of it starts before; 0 where it said no time. */
  readonly runAtMs: number;
  /** Until when it may wait for its first attempt; null for as long as it takes. */
  readonly expiresAtMs: number | null;
  readonly steps: ReadonlyMap<StepId, AuditedStep>;
  /** Someone asked it to stop, or a step of it failed for good. */
  ending: boolean;
};

type AuditedStep = {
  readonly needs: readonly StepId[];
  /** Whether the task may go on without it. */
  readonly isDispensable: boolean;
  /** Whether it is still to be decided if it runs. */
  isOpen: boolean;
  attempts: number;
  token: number;
  over: StepEnd | null;
  /** Lease of the attempt under way. */
  current: LeaseId | null;
  /** Lease of the attempt that `task.failing` ended: the end of the task names it again. */
  blamed: LeaseId | null;
};

/** How a step ended that holds up nothing of its task any more. */
type StepEnd = 'done' | 'skipped' | 'failed';

type AuditedEvent = TaskEvent | Extract<SchedulerEvent, { readonly type: `scheduling.${string}` }>;

type Over = 'task.completed' | 'task.failed' | 'task.cancelled';
const OVER: ReadonlySet<string> = new Set<Over>(['task.completed', 'task.failed', 'task.cancelled']);

/** What each task and each of its attempts may do next, as the promises say it and not as the scheduler decides it. */
export class TaskAudit {
  readonly #open = new Map<TaskId, AuditedTask>();
  readonly #over = new Map<TaskId, { readonly how: Over; readonly steps: ReadonlyMap<StepId, StepEnd> }>();
  readonly #paused = new Set<string>();
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
    if (event.type === 'step.dispatched') {
      this.#started(task, event, record.seq);
      const wrong = wrongSecrets(event, task.scopes);
      if (wrong !== null)
        this.#found('SECRET_WRONGLY', at, `step ${event.stepId} of task ${taskId}: ${wrong}`);
    }
    if (event.type === 'task.moved') this.#moved(task, event, at);
    for (const outcome of outcomesOf(event)) this.#ended(task, outcome, record, taskId);
    this.#overWithout(task, event, at);
    if (event.type === 'task.failed' && event.failure.code === 'QUEUE_TTL_EXPIRED')
      this.#expired(task, event.at, at);
    if (event.type === 'task.cancel-requested' || event.type === 'task.failing') task.ending = true;
    if (isOver(event.type)) this.#close(task, event.type, at);
  }

  #begun(event: TaskSubmitted, seq: number): AuditedTask {
    const { steps, taskId, runAt, queueTtlMs } = event;
    const needs = neededBy(event);
    for (const { taskId: id } of needs)
      if (!this.isKnown(id))
        this.#found('NEEDS_NOT_DONE', { seq, taskId }, `task ${taskId} needs ${id}, which never began`);
    const kept = new Map(event.kept?.map((one) => [one.stepId, endOf(one)]));
    this.#rerun(event, kept, { seq, taskId });
    const fresh = { attempts: 0, token: 0, current: null, blamed: null };
    return {
      submittedSeq: seq,
      needs,
      workspace: event.workspace,
      scopes: ['queue', `workspace:${event.workspace}`, `template:${event.template.name}`],
      runAtMs: runAt === undefined ? 0 : Date.parse(runAt),
      expiresAtMs:
        queueTtlMs === undefined
          ? null
          : Math.max(Date.parse(event.submittedAt), Date.parse(runAt ?? event.submittedAt)) + queueTtlMs,
      steps: new Map(
        steps.map(({ id, needs, conditional = false, onFailure }) => {
          const over = kept.get(id) ?? null;
          const isDispensable = onFailure === 'continue';
          return [id, { needs, ...fresh, isDispensable, isOpen: conditional && over === null, over }];
        }),
      ),
      ending: false,
    };
  }

  #rerun({ rerunOf }: TaskSubmitted, kept: ReadonlyMap<StepId, StepEnd>, at: Place): void {
    if (rerunOf === undefined && kept.size === 0) return;
    const past = this.#over.get(rerunOf ?? '');
    const missing = [...kept].flatMap(([id, end]) => (past?.steps.get(id) === end ? [] : id));
    if (past === undefined)
      this.#found(
        'RERUN_WRONGLY',
        at,
        `task ${at.taskId} repeats ${rerunOf ?? 'nothing'}, which was not over`,
      );
    else if (missing.length > 0)
      this.#found(
        'RERUN_WRONGLY',
        at,
        `task ${at.taskId} keeps ${missing.join(', ')}, which did not end so in ${rerunOf}`,
      );
  }

  #started(task: AuditedTask, event: StepDispatched, seq: number): void {
    const { taskId, stepId, attempt, lease } = event;
    const at = { seq, taskId };
    const what = `${attemptName(event)} of task ${taskId}`;
    const step = task.steps.get(stepId);
    if (step === undefined) {
      this.#found('NOT_SUBMITTED', at, `${what}: the task has no such step`);
      return;
    }
    const missing = [
      ...unmetOf(task, step),
      ...task.needs.flatMap((need) => (this.#isMet(need) ? [] : need.taskId)),
    ];
    if (missing.length > 0)
      this.#found('NEEDS_NOT_DONE', at, `${what} started before ${missing.join(', ')} was done`);
    if (step.isOpen || step.over === 'skipped')
      this.#found(
        'CONDITION_PASSED_OVER',
        at,
        `${what} started ${step.isOpen ? 'before it was decided whether it runs' : 'though it was left out'}`,
      );
    if (Date.parse(event.at) < task.runAtMs)
      this.#found('STARTED_TOO_EARLY', at, `${what} started at ${event.at}, before its time`);
    const paused = [...task.scopes, `server:${lease.serverId}`].find((scope) => this.#paused.has(scope));
    if (paused !== undefined)
      this.#found('STARTED_WHILE_PAUSED', at, `${what} started though ${paused} is paused`);
    if (task.ending) this.#found('STARTED_WHILE_ENDING', at, `${what} started though the task is ending`);
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

  #moved(task: AuditedTask, { taskId, to, at: when }: TaskMoved, at: Place): void {
    const problem = whyNotQueued(task, when) ?? this.#referenceProblem(task, taskId, to, when);
    if (problem !== null) this.#found('MOVED_WRONGLY', at, `task ${taskId} was moved though ${problem}`);
  }

  #referenceProblem(task: AuditedTask, taskId: TaskId, to: MoveTo, when: string): string | null {
    if (!('taskId' in to)) return null;
    const other = this.#open.get(to.taskId);
    if (other === undefined) return `${to.taskId}, ${to.kind} which it was put, was not open`;
    if (to.taskId === taskId) return `the place was ${to.kind} itself`;
    if (other.workspace !== task.workspace) return `${to.taskId} is of workspace ${other.workspace}`;
    const problem = whyNotQueued(other, when);
    return problem === null ? null : `of ${to.taskId}, ${to.kind} which it was put, ${problem}`;
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
    if (outcome.succeeded) step.over = 'done';
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
    const left = task.steps.get(skipped ?? '');
    if (left) left.over = 'skipped';
    const failed = task.steps.get(abandoned?.stepId ?? '');
    if (!failed) return;
    failed.over = 'failed';
    if (failed.isDispensable) return;
    const text = `${event.type}: the task went on without step '${abandoned?.stepId}', which it may not`;
    this.#found('ABANDONED_WRONGLY', at, text);
  }

  #decided(task: AuditedTask, stepId: StepId, at: Place): void {
    const step = task.steps.get(stepId);
    const missing = step ? unmetOf(task, step) : [];
    missing.push(...task.needs.flatMap((need) => (this.#isMet(need) ? [] : need.taskId)));
    const why = !step?.isOpen
      ? 'is none to decide about'
      : missing.length > 0
        ? `needs ${missing.join(', ')}`
        : null;
    if (why !== null)
      this.#found('CONDITION_DECIDED_WRONGLY', at, `it was decided about step '${stepId}', which ${why}`);
    if (step) step.isOpen = false;
  }

  #expired(task: AuditedTask, when: string, at: Place): void {
    const begun = [...task.steps.values()].some(({ attempts }) => attempts > 0);
    if (begun || task.expiresAtMs === null || Date.parse(when) < task.expiresAtMs) {
      const why = begun ? 'though an attempt was made' : 'before its time was over';
      this.#found('EXPIRED_WRONGLY', at, `task ${at.taskId} expired at ${when}, ${why}`);
    }
  }

  #close(task: AuditedTask, how: Over, at: Place): void {
    const steps = [...task.steps];
    const running = steps.filter(([, { current }]) => current !== null).map(([id]) => id);
    if (running.length > 0)
      this.#found('ENDED_WHILE_RUNNING', at, `${how} while ${running.join(', ')} was under way`);
    const left = steps.filter(([, { over }]) => over === null).map(([id]) => id);
    if (how === 'task.completed' && left.length > 0)
      this.#found('ENDED_TOO_EARLY', at, `${how} though ${left.join(', ')} was not over`);
    this.#open.delete(at.taskId);
    const ends = steps.flatMap(([id, { over }]) => (over === null ? [] : [[id, over] as const]));
    this.#over.set(at.taskId, { how, steps: new Map(ends) });
  }

  #found(rule: RuleName, at: Place, message: string): void {
    this.findings.add(rule, { stream: this.stream, ...at }, message);
  }
}

/** Why nothing of it waited for its turn at that moment; null where something did. */
const whyNotQueued = (task: AuditedTask, when: string): string | null => {
  if (task.ending) return 'it was ending';
  if (Date.parse(when) < task.runAtMs) return 'its time had not come';
  const waits = [...task.steps.values()].some(({ over, current }) => over === null && current === null);
  return waits ? null : 'nothing waited';
};

const isOver = (type: string): type is Over => OVER.has(type);

const endOf = ({ skipped, failure }: KeptStep): StepEnd =>
  skipped ? 'skipped' : failure === undefined ? 'done' : 'failed';

/** What a step needs of its own task and is not over. */
const unmetOf = (task: AuditedTask, { needs }: AuditedStep): StepId[] =>
  needs.filter((id) => (task.steps.get(id)?.over ?? null) === null);

const neededBy = ({ dependsOn, workflow }: TaskSubmitted): AuditedTask['needs'] => {
  const edges = new Map<TaskId, OnFailure>(workflow?.needs.map((need) => [need.taskId, need.onFailure]));
  return [
    ...dependsOn.map((id) => ({ taskId: id, goesOn: edges.get(id) === 'continue' })),
    ...(workflow?.uses ?? []).map((used) => ({ taskId: used.taskId, goesOn: true })),
  ];
};
