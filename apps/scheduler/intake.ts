import type { Command, CommandAnswer, ScheduleCommand } from '#libs/contracts/commands.js';
import type { AttemptReport } from '#libs/contracts/reports.js';
import {
  cancelTask,
  changePriority,
  isRefused,
  submitTask,
  type SubmitOutcome,
} from '#libs/domain/task/decide.js';
import { promiseAgain, promiseFor } from '#libs/domain/policy/promise.js';
import { cancelTasks, type TasksCancelled } from '#libs/domain/task/cancel-tasks.js';
import { cancelWorkflow, submitWorkflow, type WorkflowOutcome } from '#libs/domain/task/decide-workflow.js';
import { forceCancel } from '#libs/domain/task/force-cancel.js';
import { moveTask } from '#libs/domain/task/move-task.js';
import { pauseScheduling, resumeScheduling } from '#libs/domain/task/pause-decisions.js';
import { removeArtifacts } from '#libs/domain/task/remove-artifacts.js';
import { recordReport } from '#libs/domain/task/outcome.js';
import type { Failure } from '#libs/domain/errors.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { templateKey } from '#libs/domain/task/task-book.js';
import { EventTooLargeError } from '#libs/event-log/event-log.js';
import type { ReceivedMessage } from '#libs/event-log/inbox.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Answers } from './answers.js';
import type { Cause, Recorded, Recorder } from './recorder.js';
import type { ScheduleDesk } from './schedule-desk.js';
import type { WaitingDesk } from './waiting-desk.js';
import { resultMaker } from './task-result.js';

export type IntakeOptions = {
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly openTasksMax: number;
  readonly isServerKnown: (serverId: string) => boolean;
  readonly answers: Answers;
  readonly schedules: ScheduleDesk;
  readonly waiting: WaitingDesk;
};

type Outcome = SubmitOutcome | WorkflowOutcome | TasksCancelled | readonly (TaskEvent | SchedulerEvent)[];

/** Turns what arrives on the request streams into facts. Each message is decided and recorded in one turn. */
export class Intake {
  #refused: {
    readonly command: Command;
    readonly failure: Failure;
    readonly answerTo: string | undefined;
  }[] = [];
  #refusedCause: Cause | null = null;

  constructor(private readonly options: IntakeOptions) {}

  command(message: ReceivedMessage): void {
    const command = message.data as Command;
    const cause = causeOf('cmd', message);
    const outcome = this.#decide(command);
    if (isRefused(outcome)) {
      this.#refuse(command, outcome.refused, message.answerTo, cause);
      return;
    }
    const { recorder } = this.options;
    const repeated = 'repeatedOf' in outcome;
    const recorded = repeated
      ? recorder.last
      : this.#recordOrRefuse('more' in outcome ? outcome.events : outcome, command, message.answerTo, cause);
    if (recorded === null) return;
    if ('scheduleId' in command) this.options.schedules.changed(command.scheduleId);
    this.#answerWhenStored(recorded, message.answerTo, {
      commandId: command.commandId,
      ok: true,
      seq: recorded.seq,
      ...madeBy(command, repeated ? outcome.repeatedOf : undefined),
      ...('more' in outcome ? { tasks: namesOf(outcome) } : {}),
      ...(repeated ? { repeated } : {}),
      ...(isCreation(outcome) ? { created: true } : {}),
    });
  }

  report(message: ReceivedMessage): void {
    const { recorder, clock, random } = this.options;
    const report = message.data as AttemptReport;
    const task = recorder.book.open.get(report.taskId);
    const given = { at: rfc3339(clock.nowMs()), random: random(), result: resultMaker(task, recorder.book) };
    const cause = causeOf('rpt', message);
    try {
      recorder.record(recordReport(task, report, given), cause);
    } catch (error) {
      if (!(error instanceof EventTooLargeError)) throw error;
      // Output and result together are more than one event holds. The attempt fails with that; nothing else may stop here.
      const failure: Failure = {
        code: 'OUTPUT_TOO_LARGE',
        message: `The outcome does not fit into one event: ${error.message}`,
      };
      recorder.record(recordReport(task, { ...report, outcome: { kind: 'failed', failure } }, given), cause);
    }
  }

  #decide(command: Command): Outcome {
    const { recorder, clock, openTasksMax, isServerKnown } = this.options;
    const at = rfc3339(clock.nowMs());
    switch (command.kind) {
      case 'submit': {
        const { kind: _, commandId: __, ...submission } = command;
        const promise = promiseFor(submission, recorder.book, recorder.index.bounds);
        const promised = promise ? { ...submission, promise } : submission;
        return submitTask(promised, recorder.book, { openTasksMax });
      }
      case 'cancel':
        return (command.force ? forceCancel : cancelTask)(command.taskId, command.reason, recorder.book, at);
      case 'cancel-many': {
        const { choice, reason, tasksMax } = command;
        return cancelTasks(choice, reason, recorder.book, { at, tasksMax });
      }
      case 'priority':
        return changePriority(command.taskId, command.priority, recorder.book, at);
      case 'move': {
        const { book, index } = recorder;
        return moveTask(command, book, {
          at,
          placeOf: (task) => index.placeOf(task),
          promiseAgain: (task) => promiseAgain(task, clock.nowMs(), book, index.bounds),
        });
      }
      case 'answer':
        return this.options.waiting.answer(command);
      case 'pause':
        return pauseScheduling(command, recorder.book.pauses, { at, isServerKnown });
      case 'resume':
        return resumeScheduling(command, recorder.book.pauses, at);
      case 'workflow': {
        const { kind: _, commandId: __, ...submission } = command;
        return submitWorkflow(submission, recorder.book, { openTasksMax });
      }
      case 'cancel-workflow':
        return cancelWorkflow(command.workflowId, command.reason, recorder.book, at);
      case 'upload': {
        const { kind: _, commandId: __, ...uploaded } = command;
        return [{ type: 'artifact.uploaded', ...uploaded, at }];
      }
      case 'remove-artifacts':
        return removeArtifacts(command, recorder.book, at);
      case 'template':
        return [];
      default:
        return this.options.schedules.decide(command satisfies ScheduleCommand);
    }
  }

  /** Null when the command makes more than one event can hold, which is then its refusal. */
  #recordOrRefuse(
    events: readonly (TaskEvent | SchedulerEvent)[],
    command: Command,
    answerTo: string | undefined,
    cause: Cause,
  ): Recorded | null {
    try {
      return this.#record(events, command, cause);
    } catch (error) {
      if (!(error instanceof EventTooLargeError)) throw error;
      this.#refuse(command, { code: 'BODY_TOO_LARGE', message: error.message }, answerTo, cause);
      return null;
    }
  }

  #record(events: readonly (TaskEvent | SchedulerEvent)[], command: Command, cause: Cause): Recorded {
    const { recorder, clock } = this.options;
    // The log's last cause says how far commands were decided: a refusal must not come behind it.
    this.#recordRefused();
    // Decided with its first fact: whoever leads next makes the others of that.
    if (command.kind === 'workflow' || command.kind === 'answer')
      return recorder.record(events, cause, 'each');
    if (command.kind !== 'template') return recorder.record(events, cause);
    const { template, definition } = command;
    const { templates, latestVersions } = recorder.book;
    // A version that comes back is the latest again.
    if (templates.has(templateKey(template)) && latestVersions.get(template.name) === template.version)
      return recorder.last;
    return recorder.record(
      [{ type: 'template.registered', template, definition, at: rfc3339(clock.nowMs()) }],
      cause,
    );
  }

  /**
   * Refusals are facts too, so that a restarted scheduler does not decide the same command anew and differently; those of
   * one turn and without an accepted one between them share one event: a flood of bad requests is no flood of events.
   */
  #refuse(command: Command, failure: Failure, answerTo: string | undefined, cause: Cause): void {
    if (this.#refused.length === 0) setImmediate(() => this.#recordRefused());
    this.#refused.push({ command, failure, answerTo });
    this.#refusedCause = cause;
  }

  #recordRefused(): void {
    const { recorder, clock } = this.options;
    const batch = this.#refused;
    if (batch.length === 0) return;
    this.#refused = [];
    const refused = batch.map(({ command: { commandId, kind }, failure }) => ({ commandId, kind, failure }));
    const recorded = recorder.record(
      [{ type: 'commands.refused', refused, at: rfc3339(clock.nowMs()) }],
      this.#refusedCause ?? undefined,
    );
    for (const { command, failure, answerTo } of batch) {
      this.#answerWhenStored(recorded, answerTo, { commandId: command.commandId, ok: false, failure });
    }
  }

  #answerWhenStored(recorded: Recorded, answerTo: string | undefined, answer: CommandAnswer): void {
    if (answerTo === undefined) return;
    // Not stored: no answer. The command is still in its stream, and the next leader decides it.
    recorded.acknowledged().then(
      () => this.options.answers.add(answerTo, answer),
      () => undefined,
    );
  }
}

const namesOf = ({ cancelled, stopping, more }: TasksCancelled): Omit<TasksCancelled, 'events'> => ({
  cancelled,
  stopping,
  more,
});

const isCreation = (outcome: object): boolean =>
  Array.isArray(outcome) && (outcome as readonly { type: string }[])[0]?.type === 'schedule.created';

/** What a command is about, or what an earlier one has made of the same request. */
const madeBy = (command: Command, earlier: string | undefined): Pick<Decided, 'taskId' | 'workflowId'> => {
  if ('workflowId' in command) return { workflowId: earlier ?? command.workflowId };
  return 'taskId' in command ? { taskId: earlier ?? command.taskId } : {};
};

type Decided = Extract<CommandAnswer, { readonly ok: true }>;

const causeOf = (stream: 'cmd' | 'rpt', message: ReceivedMessage): Cause => ({
  id: `${stream}:${message.seq}`,
  ...(message.traceparent === undefined ? {} : { traceparent: message.traceparent }),
});
