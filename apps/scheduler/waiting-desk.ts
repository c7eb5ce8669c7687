import type { AnswerStep } from '#libs/contracts/commands.js';
import type {
  InboxReply,
  InboxRequest,
  QuestionReply,
  QuestionRequest,
} from '#libs/contracts/inbox-queries.js';
import { answerStep } from '#libs/domain/task/answer-step.js';
import { failTask, type Decision } from '#libs/domain/task/decide.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { stepOutcomes } from '#libs/domain/task/step-outcomes.js';
import { templateKey } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import { beginWaiting, decideWaiting } from '#libs/domain/task/waiting.js';
import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { renderStep } from '#libs/template/render.js';
import { waitingOf } from '#libs/template/waiting-input.js';
import type { ChildDesk } from './child-desk.js';
import { inboxReply, questionReply } from './inbox-replies.js';
import type { Recorder } from './recorder.js';
import { recordOrFail } from './record-or-fail.js';
import { parametersOf } from './task-parameters.js';
import { resultMaker } from './task-result.js';

/** Decisions in one turn, over all tasks: after a long downtime there may be many, and others wait. The rest follows a tick later. */
const DECISIONS_PER_TURN = 200;

/**
 * Lets steps wait, and ends it when their time has come or somebody has answered. All that it knows is in the book, so what the last leader
 * did not decide, this one does.
 */
export class WaitingDesk {
  #isDeciding = false;
  /** Tasks that were due in a turn that was full. */
  #late: readonly string[] = [];

  constructor(
    private readonly recorder: Recorder,
    private readonly clock: Clock,
    private readonly children: ChildDesk,
  ) {}

  /**
   * Steps whose turn it is begin to wait, and those go on whose child has ended. Recording calls this again; one loop does all of it, because
   * a chain of tasks may be longer than the stack is deep.
   */
  begin(): void {
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      while (this.#decideChildren() || this.#beginDue());
    } finally {
      this.#isDeciding = false;
    }
  }

  #decideChildren(): boolean {
    const due = this.recorder.index.waiting.children.take();
    for (const taskId of due) this.children.decide(taskId);
    return due.length > 0;
  }

  #beginDue(): boolean {
    // A pause of everything is not in the index: those that are to begin stand there until it is lifted.
    if (this.recorder.book.pauses.has('queue')) return false;
    const due = this.recorder.index.waiting.toBegin.take();
    for (const taskId of due) this.#beginTask(taskId);
    return due.length > 0;
  }

  /** Decides what is due by now. */
  tick(): void {
    const nowMs = this.clock.nowMs();
    const due = [...this.#late, ...this.recorder.index.waiting.takeDue(nowMs)];
    for (const taskId of due.slice(0, DECISIONS_PER_TURN)) this.#decideTask(taskId, nowMs);
    this.#late = due.slice(DECISIONS_PER_TURN);
  }

  /** What an answer makes, decided after what was due before it. */
  answer({ taskId, stepId, waitingSeq, answer }: AnswerStep): Decision {
    this.tick();
    const { book } = this.recorder;
    const given = { at: rfc3339(this.clock.nowMs()), result: resultMaker(book.open.get(taskId), book) };
    return answerStep({ taskId, stepId, waitingSeq, answer }, book, given);
  }

  /** What waits for people. */
  inbox(request: InboxRequest): InboxReply {
    return inboxReply(this.recorder, request);
  }

  question({ taskId, stepId }: QuestionRequest): QuestionReply {
    return questionReply(this.recorder.book, taskId, stepId);
  }

  #decideTask(taskId: string, nowMs: number): void {
    const { book } = this.recorder;
    const at = rfc3339(nowMs);
    for (let task = book.open.get(taskId); task !== undefined; task = book.open.get(taskId)) {
      const events = decideWaiting(task, { at, result: resultMaker(task, book) });
      if (events.length === 0) break;
      this.#record(events, task, at);
    }
    this.children.decide(taskId);
  }

  #beginTask(taskId: string): void {
    const { book } = this.recorder;
    for (const step of book.open.get(taskId)?.steps ?? []) {
      const { id, waits } = step.spec;
      const task = book.open.get(taskId);
      if (task === undefined) return;
      if (waits === 'task') this.#record(this.children.begun(task, step), task, rfc3339(this.clock.nowMs()));
      else if (waits !== undefined) this.#beginStep(task, id, waits);
    }
  }

  #beginStep(task: OpenTask, stepId: string, kind: Exclude<WaitingKind, 'task'>): void {
    const { book } = this.recorder;
    const nowMs = this.clock.nowMs();
    const at = rfc3339(nowMs);
    // What it waits for comes last: most steps that are looked at here are none that begin.
    const probe = { stepId, waiting: { kind: 'delay', until: at }, at } as const;
    if (beginWaiting(task, probe, book.pauses).length === 0) return;
    const template = book.templates.get(templateKey(task.template)) as CompiledTemplate | undefined;
    if (template === undefined) return;
    const parameters = parametersOf(task, template, book);
    if (!parameters.ok) return this.#record(failTask(task, parameters.failure, at), task, at);
    const context = { parameters: parameters.parameters, steps: stepOutcomes(task) };
    const rendered = renderStep(template, stepId, context);
    if (!rendered.ok) return this.#record(failTask(task, rendered.failure, at), task, at);
    const made = waitingOf(kind, stepId, rendered.input, nowMs);
    const events = made.ok
      ? beginWaiting(task, { stepId, waiting: made.waiting, at }, book.pauses)
      : failTask(task, made.failure, at);
    this.#record(events, task, at);
  }

  #record(events: readonly TaskEvent[], task: OpenTask, at: string): void {
    recordOrFail(this.recorder, events, task, at);
  }
}
