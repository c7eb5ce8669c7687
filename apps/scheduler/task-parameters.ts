import type { TaskBook } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { fillParameters, type FilledParameters } from '#libs/template/late-parameters.js';

/**
 * The parameters of a task that may run, with what earlier tasks of its workflow made filled in. The same whenever it is asked
 * for: what it reads is over and kept until the task has ended.
 */
export const parametersOf = (
  { parameters, workflow }: OpenTask,
  template: CompiledTemplate,
  { closed, results }: Pick<TaskBook, 'closed' | 'results'>,
): FilledParameters => {
  if (workflow === undefined) return { ok: true, parameters };
  const tasks = workflow.uses.map(({ task, taskId }): [string, { status: string; result: unknown }] => [
    task,
    { status: closed.get(taskId) ?? 'open', result: results.get(taskId)?.result ?? null },
  ]);
  return fillParameters(template, parameters, Object.fromEntries(tasks));
};
