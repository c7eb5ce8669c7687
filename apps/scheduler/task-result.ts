import type { ResultMaker } from '#libs/domain/task/step-outcomes.js';
import { templateKey, type TaskBook } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { renderResult } from '#libs/template/render.js';
import { parametersOf } from './task-parameters.js';

/** Makes the result of a task by its template, for the decision that may complete it. */
export const resultMaker =
  (task: OpenTask | undefined, book: TaskBook): ResultMaker =>
  (steps) => {
    const template = task && (book.templates.get(templateKey(task.template)) as CompiledTemplate | undefined);
    if (task === undefined || template === undefined) return { ok: true, result: null };
    const given = parametersOf(task, template, book);
    return given.ok ? renderResult(template, { parameters: given.parameters, steps }) : given;
  };
