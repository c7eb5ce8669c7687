import type { TaskView } from '#libs/contracts/queries.js';
import type { Api } from '../client/api.js';
import { followTask, type StreamEvent } from '../client/sse.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';
import { taskLines } from './task-text.js';

/** Shows a task as it goes on, and ends by how it ended. */
export const watchTask = async (api: Api, taskId: string, out: Output): Promise<void> => {
  let midLine = false;
  for await (const event of followTask(api, taskId)) {
    if (out.json) {
      out.line(event, '');
    } else if (event.event === 'token') {
      out.text((event.data as { text: string }).text);
      midLine = true;
    } else {
      if (midLine) out.text('\n');
      midLine = false;
      out.note(out.colour('dim', stateText(event)));
    }
  }
  const task = await api.call<TaskView>('GET', `/api/v1/tasks/${taskId}`);
  if (!out.json) for (const line of taskLines(task, out)) out.note(line);
  endBy(task);
};

/** The exit code that a script wants of a task that it waited for. */
export const endBy = (task: TaskView): void => {
  if (task.status === 'failed')
    throw new CommandError(EXIT.taskFailed, `Task ${task.id} has failed: ${task.error?.message ?? ''}`);
  if (task.status === 'cancelled')
    throw new CommandError(EXIT.taskCancelled, `Task ${task.id} was cancelled.`);
};

/** Waits without showing anything. */
export const waitForTask = async (api: Api, taskId: string): Promise<TaskView> => {
  for await (const _ of followTask(api, taskId));
  return await api.call<TaskView>('GET', `/api/v1/tasks/${taskId}`);
};

/** One line of a task's history. */
export const stateText = ({ event, data }: StreamEvent | { event: string; data: unknown }): string => {
  if (event === 'progress') return `  ${(data as { message: string }).message}`;
  const { time = '', data: facts = {} } = data as { time?: string; data?: Record<string, unknown> };
  return `${time.slice(11, 23)}  ${event}${detailOf(event, facts)}`;
};

const detailOf = (event: string, facts: Record<string, unknown>): string => {
  if (event === 'step.dispatched') {
    const { stepId, attempt, lease } = facts as {
      stepId: string;
      attempt: number;
      lease: { serverId: string };
    };
    return `  ${stepId} #${attempt} on ${lease.serverId}`;
  }
  const { failure } = (facts['step'] ?? facts) as { failure?: { code: string; message: string } };
  return failure ? `  ${failure.code}: ${failure.message}` : '';
};
