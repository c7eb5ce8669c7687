import {
  cancelTask,
  changePriority,
  dispatchStep,
  isRefused,
  submitTask,
  type Refused,
} from '#libs/domain/task/decide.js';
import {
  dependencyEnded,
  loseLease,
  recordReport,
  type Outcome,
  type Report,
} from '#libs/domain/task/outcome.js';
import type { ResultMaker } from '#libs/domain/task/step-outcomes.js';
import { neededOutside, needsMet } from '#libs/domain/task/needs.js';
import { pauseScheduling, resumeScheduling } from '#libs/domain/task/pause-decisions.js';
import type { PauseScope } from '#libs/domain/task/pauses.js';
import { answerStep } from '#libs/domain/task/answer-step.js';
import { decideStep } from '#libs/domain/task/conditions.js';
import { expandStep } from '#libs/domain/task/expand-step.js';
import { stepsOver, stepsToKeep } from '#libs/domain/task/kept-steps.js';
import { failStep } from '#libs/domain/task/fail-step.js';
import { forceCancel } from '#libs/domain/task/force-cancel.js';
import { moveTask } from '#libs/domain/task/move-task.js';
import { expireTask, plainPlaceOf } from '#libs/domain/task/queue-time.js';
import { msOf, rfc3339Of } from '#libs/domain/time.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { MoveTo } from '#libs/domain/task/move-events.js';
import type { WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { beginWaiting, decideWaiting } from '#libs/domain/task/waiting.js';
import { submitWorkflow } from '#libs/domain/task/decide-workflow.js';
import { dueAtEndIn } from './aimed-actions.js';
import { artifactOf, removalsOf } from './artifact-actions.js';
import { later, submission, templateRegistered, workflowOf } from './builders.js';
import { attemptDue, beginChildOf, childrenOf, decideChildrenOf } from './child-actions.js';
import { actOnSchedules } from './schedule-actions.js';
import { answerOf } from './answer-actions.js';
import { questionOf } from './questions.js';
import { SHAPES, STEP_IDS, STEPS_AND_ITEMS, type TaskAction } from './task-actions.js';

/** Tasks that may be open at once: few enough for a full queue, enough for a workflow beside other tasks. */
export const OPEN_MAX = 8;

export type WorldAttempt = { readonly taskId: string; readonly report: Omit<Report, 'outcome'> };

const made =
  (taskId: string): ResultMaker =>
  () => ({ ok: true, result: { result: taskId } });

/** The shell around the deciders, without its streams: it keeps the log and folds what it appends. */
export class TaskWorld {
  readonly book: TaskBook = emptyBook();
  readonly log: TaskRecord[] = [];
  readonly attempts: WorldAttempt[] = [];
  #leases = 0;
  #looks = 0;

  constructor() {
    this.append([templateRegistered]);
  }

  /** One second for each fact, and for each look at what time has done. */
  get nowMs(): number {
    return msOf(this.#at);
  }

  get #at(): string {
    return later((this.log.length + this.#looks) * 1000);
  }

  append(events: readonly TaskRecord['event'][]): void {
    for (const event of events) {
      const record = { seq: this.log.length + 1, event };
      this.log.push(record);
      applyToBook(this.book, record);
    }
    for (const event of events) {
      if (!('taskId' in event)) continue;
      this.#decideSteps(event.taskId);
      this.#beginWaits(event.taskId);
      for (const open of this.book.open.values()) decideChildrenOf(this, open.id, this.#at);
      if (event.type !== 'task.completed' && event.type !== 'task.failed' && event.type !== 'task.cancelled')
        continue;
      for (const open of this.book.open.values()) {
        if (open.dependsOn.includes(event.taskId)) {
          this.append(dependencyEnded(open, event.taskId, this.book, this.#at));
          this.#decideSteps(open.id);
          this.#beginWaits(open.id);
        }
      }
    }
  }

  /** As the scheduler does at once: what the parameter `skip` names is left out, and `items` says how many a step has. */
  #decideSteps(taskId: string): void {
    for (const stepId of STEP_IDS) {
      const open = this.book.open.get(taskId);
      if (!open || !needsMet(open, this.book.closed)) return;
      const { skip = [], items = 0 } = open.parameters as {
        readonly skip?: readonly string[];
        items?: number;
      };
      const given = { at: this.#at, result: made(taskId) };
      this.append(decideStep(open, { stepId, holds: !skip.includes(stepId) }, given));
      this.append(expandStep(this.book.open.get(taskId), { stepId, items }, given));
    }
  }

  /** As the scheduler does at once, with the question that `questionOf` makes of the step. */
  #beginWaits(taskId: string): void {
    for (const stepId of STEPS_AND_ITEMS) {
      const open = this.book.open.get(taskId);
      if (!open || !needsMet(open, this.book.closed)) return;
      const step = open.steps.find(({ spec }) => spec.id === stepId);
      const kind = step?.spec.waits;
      if (step === undefined || kind === undefined) continue;
      if (kind === 'task') {
        beginChildOf(this, open, step, { at: this.#at, openTasksMax: OPEN_MAX });
        continue;
      }
      const waiting = questionOf(kind, this.nowMs);
      this.append(beginWaiting(open, { stepId, waiting, at: this.#at }, this.book.pauses));
    }
  }

  /** Time has passed: one thing that is due by now, for each task. */
  #passTime(): void {
    this.#looks += 1;
    for (const open of this.book.open.values())
      this.append(decideWaiting(open, { at: this.#at, result: made(open.id) }));
    for (const open of this.book.open.values()) this.#beginWaits(open.id);
    for (const open of this.book.open.values()) decideChildrenOf(this, open.id, this.#at);
  }

  submit(wanted: Omit<TaskSubmitted, 'type'>): ReturnType<typeof submitTask> {
    const outcome = submitTask(wanted, this.book, { openTasksMax: OPEN_MAX });
    if (Array.isArray(outcome)) this.append(outcome);
    return outcome;
  }

  submitWorkflow(wanted: Omit<WorkflowSubmitted, 'type'>): ReturnType<typeof submitWorkflow> {
    const outcome = submitWorkflow(wanted, this.book, { openTasksMax: OPEN_MAX });
    if (Array.isArray(outcome)) this.append(outcome);
    return outcome;
  }

  /** As the scheduler asks for it: only what waits for no other task. */
  dispatch(taskId: string, stepId: string, attemptOff = 0): readonly TaskEvent[] {
    const open = this.book.open.get(taskId);
    if (!open || !needsMet(open, this.book.closed)) return [];
    const progress = open.steps.find(({ spec }) => spec.id === stepId)?.progress;
    const attempt = attemptDue(progress) + attemptOff;
    this.#leases += 1;
    const lease = { leaseId: `lease-${this.#leases}`, token: 1000 + this.#leases, serverId: 'gpu1' };
    const at = this.#at;
    const dispatch = { stepId, attempt, lease, input: { n: this.#leases }, at };
    const events = dispatchStep(open, dispatch, this.book.pauses);
    if (events.length > 0) {
      const { leaseId, token } = lease;
      this.attempts.push({ taskId, report: { stepId, attempt, leaseId, token, startedAt: at, endedAt: at } });
    }
    this.append(events);
    return events;
  }

  /** As the gateway asks for it: from what the log says of the task. */
  rerun(past: string, taskId: string, from: string): void {
    const begun = this.log.find(
      ({ event }) => event.type === 'task.submitted' && event.taskId === past,
    )?.event;
    if (begun?.type !== 'task.submitted' || (begun.workflow?.uses.length ?? 0) > 0) return;
    const facts = this.log.flatMap(({ event }) =>
      'taskId' in event && event.type !== 'artifact.removed' && event.taskId === past ? [event] : [],
    );
    const over = stepsOver(facts);
    const kept = stepsToKeep(begun.steps, from, new Set(over.keys())).flatMap((id) => over.get(id) ?? []);
    const { steps, parameters } = begun;
    const dependsOn = neededOutside(begun);
    this.submit(
      submission({ taskId, steps, parameters, dependsOn, submittedAt: this.#at, rerunOf: past, kept }),
    );
  }

  /** Where a task has come to its end, a step that could begin there; else what fails a whole task, unless that is at its end. */
  #failOne(taskId: string, anyStep: string): void {
    const open = this.book.open.get(taskId);
    const named = open && !open.finishing ? { task: open, stepId: anyStep } : undefined;
    const { task, stepId } = dueAtEndIn(this.book) ?? named ?? {};
    const failure = { code: 'NO_SERVER_FITS', message: 'too large' } as const;
    if (task && stepId) this.append(failStep(task, { stepId, failure }, this.#at));
  }

  report({ taskId, report }: WorldAttempt, outcome: Outcome): readonly TaskEvent[] {
    const given = { at: this.#at, random: 0.5, result: made(taskId) };
    // Each attempt that succeeds has stored something, where no other one has.
    const ended =
      outcome.kind === 'completed'
        ? { ...outcome, artifacts: [artifactOf(taskId, report.leaseId)] }
        : outcome;
    const events = recordReport(this.book.open.get(taskId), { ...report, outcome: ended }, given);
    this.append(events);
    return events;
  }

  lose({ taskId, report }: WorldAttempt): readonly TaskEvent[] {
    const given = { at: this.#at, random: 0.5, result: made(taskId) };
    const events = loseLease(this.book.open.get(taskId), report, given);
    this.append(events);
    return events;
  }

  cancel(taskId: string, force = false): void {
    this.#decided((force ? forceCancel : cancelTask)(taskId, 'not needed', this.book, this.#at));
  }

  #decided(decision: readonly TaskRecord['event'][] | Refused): void {
    if (!isRefused(decision)) this.append(decision);
  }

  move(taskId: string, to: MoveTo): void {
    const decision = moveTask({ taskId, to, reason: 'x', by: 'ada' }, this.book, {
      at: this.#at,
      placeOf: (task) => task.moved?.place ?? plainPlaceOf(task, task.priority),
      promiseAgain: () => null,
    });
    this.#decided(decision);
  }

  #work(taskId: string, outcome: Outcome): void {
    for (const stepId of STEPS_AND_ITEMS) {
      const [begun] = this.dispatch(taskId, stepId);
      const attempt = this.attempts.at(-1);
      if (begun && attempt) this.report(attempt, outcome);
    }
    for (const child of childrenOf(this.book, taskId)) this.#work(child, outcome);
  }

  #pause(wanted: PauseScope): void {
    const given = { at: this.#at, isServerKnown: () => true };
    const decision = pauseScheduling({ scope: wanted, reason: 'x', by: 'ada' }, this.book.pauses, given);
    if (!isRefused(decision)) this.append(decision);
  }

  #resumeAll(): void {
    for (const paused of this.book.pauses.keys())
      this.#decided(resumeScheduling({ scope: paused, by: 'ada' }, this.book.pauses, this.#at));
    for (const taskId of this.book.open.keys()) this.#beginWaits(taskId);
  }

  #submitAs(action: Extract<TaskAction, { readonly do: 'submit' }>): void {
    this.submit(
      submission({
        taskId: action.task,
        steps: SHAPES[action.shape] ?? [],
        parameters: { skip: action.skip, items: action.items },
        dependsOn: action.dependsOn,
        submittedAt: this.#at,
        ...(action.ttlMs === null ? {} : { queueTtlMs: action.ttlMs }),
        ...(action.dueInMs === null ? {} : { deadlineAt: rfc3339Of(this.nowMs + action.dueInMs) }),
        ...(action.key === null ? {} : { idempotency: { key: action.key, requestHash: `h${action.shape}` } }),
      }),
    );
  }

  #reportBack({ back, forged, outcome }: Extract<TaskAction, { readonly do: 'report' }>): void {
    const attempt = this.attempts.at(-1 - back);
    if (attempt === undefined) return;
    const report = forged ? { ...attempt.report, token: attempt.report.token + 1 } : attempt.report;
    this.report({ ...attempt, report }, outcome);
  }

  act(action: TaskAction): void {
    switch (action.do) {
      case 'submit':
        return this.#submitAs(action);
      case 'workflow': {
        const { workflow, size, edges: wanted, key } = action;
        const submittedAt = this.#at;
        this.submitWorkflow({
          ...workflowOf(`w${workflow}`, size, wanted),
          submittedAt,
          ...(key === null ? {} : { idempotency: { key, requestHash: `w${size}` } }),
        });
        return;
      }
      case 'rerun':
        this.rerun(action.task, action.again, action.from);
        return;
      case 'dispatch':
        for (const stepId of action.step === 'all' ? STEPS_AND_ITEMS : [action.step]) {
          this.dispatch(action.task, stepId, action.attemptOff);
        }
        return;
      case 'report':
        return this.#reportBack(action);
      case 'work':
        return this.#work(action.task, action.outcome);
      case 'lose': {
        const attempt = this.attempts.at(-1 - action.back);
        if (attempt) this.lose(attempt);
        return;
      }
      case 'cancel':
        return this.cancel(action.task, action.force);
      case 'pause':
        return this.#pause(action.scope);
      case 'resume':
        return this.#resumeAll();
      case 'expire':
        for (const open of this.book.open.values()) this.append(expireTask(open, this.nowMs));
        return;
      case 'schedule':
        return actOnSchedules(this, action.act, OPEN_MAX);
      case 'impossible':
        return this.#failOne(action.task, action.step);
      case 'answer':
        return this.#decided(
          answerStep(answerOf(action, this.book), this.book, { at: this.#at, result: made(action.task) }),
        );
      case 'remove':
        return this.append(
          removalsOf(action.task, action.stale, { book: this.book, log: this.log, at: this.#at }),
        );
      case 'time':
        return this.#passTime();
      case 'move':
        return this.move(action.task, action.to);
      case 'priority':
        return this.#decided(changePriority(action.task, action.priority, this.book, this.#at));
    }
  }
}
