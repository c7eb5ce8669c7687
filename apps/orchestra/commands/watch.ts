import type { TaskView } from '#libs/contracts/queries.js';
import type { Api } from '../client/api.js';
import { followTask } from '../client/follow-task.js';
import { taskAfter } from '../client/task-view.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';
import { eventText } from './event-text.js';
import { taskLines } from './task-text.js';

/** Shows a task as it goes on: tokens on stdout, the rest on stderr. Ends by how it ended. */
export const watchTask = async (api: Api, taskId: string, out: Output): Promise<void> => {
  let midLine = false;
  let seq = 0;
  for await (const event of followTask(api, taskId)) {
    seq = Number(event.id ?? seq);
    if (out.json) {
      out.line(event, '');
    } else if (event.event === 'token') {
      out.text(tokenText(event.data));
      midLine = true;
    } else {
      if (midLine) out.text('\n');
      midLine = false;
      out.note(eventText(event.event, event.data), 'dim');
    }
  }
  const task = await taskAfter(api, taskId, seq);
  if (!out.json) for (const line of taskLines({ ...task, result: null }, out)) out.note(line);
  endBy(task);
};

export const tokenText = (data: unknown): string => (data as { readonly text?: string }).text ?? '';

/** The exit code that a script wants of a task that it waited for. */
export const endBy = (task: TaskView): void => {
  if (task.status === 'failed')
    throw new CommandError(
      EXIT.taskFailed,
      `Task ${task.id} has failed: ${task.error?.message ?? 'no reason is known'}`,
    );
  if (task.status === 'cancelled')
    throw new CommandError(EXIT.taskCancelled, `Task ${task.id} was cancelled.`);
};
