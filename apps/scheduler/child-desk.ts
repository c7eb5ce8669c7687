import { createHash } from 'node:crypto';
import { promiseFor } from '#libs/domain/policy/promise.js';
import { beginChild, decideChild, missingWaits, stopChildren } from '#libs/domain/task/child-tasks.js';
import { failTask } from '#libs/domain/task/decide.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { stepOutcomes } from '#libs/domain/task/step-outcomes.js';
import { templateKey } from '#libs/domain/task/task-book.js';
import type { OpenTask, Step } from '#libs/domain/task/task.js';
import { beginWaiting } from '#libs/domain/task/waiting.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { renderStep } from '#libs/template/render.js';
import type { ItemLists } from './item-lists.js';
import { plannedTask } from './planned-task.js';
import type { Recorder } from './recorder.js';
import { parametersOf } from './task-parameters.js';
import { recordOrFail } from './record-or-fail.js';
import { resultMaker } from './task-result.js';

export type ChildDeskOptions = {
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly lists: ItemLists;
  readonly openTasksMax: number;
};

/** Submits tasks for the steps that are tasks themselves, and lets those go on when their task has ended. All that it knows is in the book. */
export class ChildDesk {
  constructor(private readonly options: ChildDeskOptions) {}

  /** Children whose steps do not wait for them yet, because who submitted them died in between. Before anything else in a term. */
  complete(): void {
    const { recorder } = this.options;
    recorder.record(missingWaits(recorder.book));
  }

  /** What a step makes whose turn has come: its child and that it waits for it, or why not. None for one whose turn has not. */
  begun(task: OpenTask, { spec, progress }: Step): readonly TaskEvent[] {
    const { recorder, clock, lists, openTasksMax } = this.options;
    const { book, index } = recorder;
    const at = rfc3339(clock.nowMs());
    const { child } = spec;
    const probe = { stepId: spec.id, waiting: { kind: 'delay', until: at }, at } as const;
    if (child === undefined || progress.status !== 'pending') return [];
    if (beginWaiting(task, probe, book.pauses).length === 0) return [];
    const template = book.templates.get(templateKey(task.template)) as CompiledTemplate | undefined;
    if (template === undefined) return [];
    const own = parametersOf(task, template, book);
    if (!own.ok) return failTask(task, own.failure, at);
    const context = {
      parameters: own.parameters,
      steps: stepOutcomes(task),
      ...lists.scopeOf(task, spec.id, template, book),
    };
    const rendered = renderStep(template, spec.id, context);
    if (!rendered.ok) return failTask(task, rendered.failure, at);
    const { parameters = {}, priority = null } = rendered.input as ChildInput;
    const { template: name, version, numCtx } = child;
    const ref = { name, ...(version === undefined ? {} : { version }) };
    const planned = plannedTask({ template: ref, parameters, numCtx }, book);
    const attempt = progress.attempts + 1;
    const childTaskId = childIdOf(task.id, spec.id, attempt);
    const wanted = { step: spec, attempt, childTaskId, planned, priority, at };
    return beginChild(task, wanted, book, { openTasksMax }).map((event) => {
      const promise = event.type === 'task.submitted' ? promiseFor(event, book, index.bounds) : null;
      return promise === null ? event : { ...event, promise };
    });
  }

  /** Stops children that are not wanted any more, and takes over how others have ended. */
  decide(taskId: string): void {
    const { recorder, clock, random } = this.options;
    const { book } = recorder;
    const at = rfc3339(clock.nowMs());
    const parent = book.open.get(taskId);
    if (parent) recorder.record(stopChildren(parent, book, at));
    for (let task = book.open.get(taskId); task !== undefined; task = book.open.get(taskId)) {
      const events = decideChild(task, { at, random: random(), result: resultMaker(task, book) });
      if (events.length === 0) return;
      recordOrFail(recorder, events, task, at);
    }
  }
}

type ChildInput = { readonly parameters?: Readonly<Record<string, unknown>>; readonly priority?: number };

/** The same whoever decides it: a UUID (version 8, RFC 9562) of the step and its try. */
const childIdOf = (taskId: string, stepId: string, attempt: number): string => {
  const hex = createHash('sha256').update(`${taskId}/${stepId}/${attempt}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};
