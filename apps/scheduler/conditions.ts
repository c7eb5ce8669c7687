import { decideStep } from '#libs/domain/task/conditions.js';
import { expandStep } from '#libs/domain/task/expand-step.js';
import { failStep } from '#libs/domain/task/fail-step.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { readableOutcomes } from '#libs/domain/task/step-outcomes.js';
import { templateKey } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { decideCondition } from '#libs/template/render.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { ItemLists } from './item-lists.js';
import type { Recorder } from './recorder.js';
import { parametersOf } from './task-parameters.js';
import { resultMaker } from './task-result.js';

/**
 * Decides the conditions of steps, and how many items they have, as soon as all that they need is over, and records what follows. From the book alone, and the same
 * whenever it is done: whoever leads next decides what the log does not have.
 */
export class Conditions {
  #isDeciding = false;

  constructor(
    private readonly recorder: Recorder,
    private readonly clock: Clock,
    private readonly lists: ItemLists,
  ) {}

  /** Recording a decision calls this again; one loop does all of it, because a chain of steps may be left out one by one. */
  decide(): void {
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      const { index } = this.recorder;
      for (let due = index.undecided.take(); due.length > 0; due = index.undecided.take())
        for (const taskId of due) this.#decideTask(taskId);
    } finally {
      this.#isDeciding = false;
    }
  }

  #decideTask(taskId: string): void {
    const { recorder } = this;
    for (const { spec } of recorder.book.open.get(taskId)?.steps ?? []) {
      const task = spec.conditional && recorder.book.open.get(taskId);
      if (task) recorder.record(this.#decided(task, spec.id));
      const open = spec.forEach && recorder.book.open.get(taskId);
      if (open) recorder.record(this.#expanded(open, spec.id));
    }
  }

  /** How many items there are is a fact; what they are follows from what the step needs, whenever one of them is dispatched. */
  #expanded(task: OpenTask, stepId: string): readonly TaskEvent[] {
    const { book } = this.recorder;
    const template = book.templates.get(templateKey(task.template)) as CompiledTemplate | undefined;
    if (template === undefined) return [];
    const at = rfc3339(this.clock.nowMs());
    const given = { at, result: resultMaker(task, book) };
    if (expandStep(task, { stepId, items: 1 }, given).length === 0) return [];
    const listed = this.lists.of(task, stepId, template, book);
    if (!listed.ok) return failStep(task, { stepId, failure: listed.failure }, at);
    return expandStep(task, { stepId, items: listed.items.length }, given);
  }

  #decided(task: OpenTask, stepId: string): readonly TaskEvent[] {
    const { book } = this.recorder;
    const template = book.templates.get(templateKey(task.template)) as CompiledTemplate | undefined;
    if (template === undefined) return [];
    const at = rfc3339(this.clock.nowMs());
    const given = { at, result: resultMaker(task, book) };
    // What it would be decided to comes last: most steps that are looked at here are none to decide about.
    if (decideStep(task, { stepId, holds: true }, given).length === 0) return [];
    const parameters = parametersOf(task, template, book);
    if (!parameters.ok) return failStep(task, { stepId, failure: parameters.failure }, at);
    const context = { parameters: parameters.parameters, ...readableOutcomes(task) };
    const decided = decideCondition(template, stepId, context);
    if (!decided.ok) return failStep(task, { stepId, failure: decided.failure }, at);
    return decideStep(task, { stepId, holds: decided.holds }, given);
  }
}
