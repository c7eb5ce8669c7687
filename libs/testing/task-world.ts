import {
  cancelTask,
  changePriority,
  dispatchStep,
  failTask,
  isRefused,
  submitTask,
} from '#libs/domain/task/decide.js';
import {
  dependencyEnded,
  loseLease,
  recordReport,
  type Outcome,
  type Report,
} from '#libs/domain/task/outcome.js';
import { neededOutside, needsMet } from '#libs/domain/task/needs.js';
import { pauseScheduling, resumeScheduling } from '#libs/domain/task/pause-decisions.js';
import type { PauseScope } from '#libs/domain/task/pauses.js';
import { stepsToKeep } from '#libs/domain/task/kept-steps.js';
import { expireTask } from '#libs/domain/task/queue-time.js';
import { msOf, rfc3339Of } from '#libs/domain/time.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { submitWorkflow } from '#libs/domain/task/decide-workflow.js';
import { later, submission, templateRegistered, workflowOf } from './builders.js';
import { actOnSchedules } from './schedule-actions.js';
import { SHAPES, STEP_IDS, type TaskAction } from './task-actions.js';

/** Tasks that may be open at once: few enough for a full queue, enough for a workflow beside other tasks. */
export const OPEN_MAX = 8;

export type WorldAttempt = { readonly taskId: string; readonly report: Omit<Report, 'outcome'> };

/** The shell around the deciders, without its streams: it keeps the log and folds what it appends. */
export class TaskWorld {
  readonly book: TaskBook = emptyBook();
  readonly log: TaskRecord[] = [];
  readonly attempts: WorldAttempt[] = [];
  #leases = 0;

  constructor() {
    this.append([templateRegistered]);
  }

  /** One second for each fact. */
  get nowMs(): number {
    return msOf(this.#at);
  }

  get #at(): string {
    return later(this.log.length * 1000);
  }

  append(events: readonly TaskRecord['event'][]): void {
    for (const event of events) {
      const record = { seq: this.log.length + 1, event };
      this.log.push(record);
      applyToBook(this.book, record);
      if (event.type !== 'task.completed' && event.type !== 'task.failed' && event.type !== 'task.cancelled')
        continue;
      for (const open of this.book.open.values()) {
        if (open.dependsOn.includes(event.taskId)) {
          this.append(dependencyEnded(open, event.taskId, this.book, this.#at));
        }
      }
    }
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
    const due =
      progress === undefined ? 1 : progress.status === 'pending' ? progress.attempts + 1 : progress.attempt;
    const attempt = due + attemptOff;
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
    const outputs = new Map(begun.kept?.map(({ stepId, output }) => [stepId, output]));
    for (const { event } of this.log)
      if ((event.type === 'step.completed' || event.type === 'task.completed') && event.taskId === past)
        outputs.set(event.step.stepId, event.step.output);
    const kept = stepsToKeep(begun.steps, from, new Set(outputs.keys())).map((stepId) => ({
      stepId,
      output: outputs.get(stepId),
    }));
    const { steps } = begun;
    const dependsOn = neededOutside(begun);
    this.submit(submission({ taskId, steps, dependsOn, submittedAt: this.#at, rerunOf: past, kept }));
  }

  report({ taskId, report }: WorldAttempt, outcome: Outcome): readonly TaskEvent[] {
    const given = { at: this.#at, random: 0.5, result: () => ({ result: taskId }) };
    const events = recordReport(this.book.open.get(taskId), { ...report, outcome }, given);
    this.append(events);
    return events;
  }

  lose({ taskId, report }: WorldAttempt): readonly TaskEvent[] {
    const given = { at: this.#at, random: 0.5, result: () => null };
    const events = loseLease(this.book.open.get(taskId), report, given);
    this.append(events);
    return events;
  }

  cancel(taskId: string): void {
    const decision = cancelTask(taskId, 'not needed', this.book, this.#at);
    if (!isRefused(decision)) this.append(decision);
  }

  #pause(wanted: PauseScope): void {
    const given = { at: this.#at, isServerKnown: () => true };
    const decision = pauseScheduling({ scope: wanted, reason: 'x', by: 'ada' }, this.book.pauses, given);
    if (!isRefused(decision)) this.append(decision);
  }

  #resumeAll(): void {
    for (const paused of this.book.pauses.keys()) {
      const decision = resumeScheduling({ scope: paused, by: 'ada' }, this.book.pauses, this.#at);
      if (!isRefused(decision)) this.append(decision);
    }
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
        this.submit(
          submission({
            taskId: action.task,
            steps: SHAPES[action.shape] ?? [],
            dependsOn: action.dependsOn,
            submittedAt: this.#at,
            ...(action.ttlMs === null ? {} : { queueTtlMs: action.ttlMs }),
            ...(action.dueInMs === null ? {} : { deadlineAt: rfc3339Of(this.nowMs + action.dueInMs) }),
            ...(action.key === null
              ? {}
              : { idempotency: { key: action.key, requestHash: `h${action.shape}` } }),
          }),
        );
        return;
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
        for (const stepId of action.step === 'all' ? STEP_IDS : [action.step]) {
          this.dispatch(action.task, stepId, action.attemptOff);
        }
        return;
      case 'report':
        return this.#reportBack(action);
      case 'lose': {
        const attempt = this.attempts.at(-1 - action.back);
        if (attempt) this.lose(attempt);
        return;
      }
      case 'cancel':
        return this.cancel(action.task);
      case 'pause':
        return this.#pause(action.scope);
      case 'resume':
        return this.#resumeAll();
      case 'expire':
        for (const open of this.book.open.values()) this.append(expireTask(open, this.nowMs));
        return;
      case 'schedule':
        return actOnSchedules(this, action.act, OPEN_MAX);
      case 'impossible': {
        const open = this.book.open.get(action.task);
        if (open) this.append(failTask(open, { code: 'NO_SERVER_FITS', message: 'too large' }, this.#at));
        return;
      }
      case 'priority': {
        const decision = changePriority(action.task, action.priority, this.book, this.#at);
        if (!isRefused(decision)) this.append(decision);
        return;
      }
    }
  }
}
