import { setTimeout as wait } from 'node:timers/promises';
import type { TaskView } from '#libs/contracts/queries.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Api } from './api.js';
import { followTask } from './follow-task.js';

/** What is known of a request that is stored and not decided yet; no scheduler leads at the moment. */
export type Undecided = { readonly id: string; readonly status: 'accepted' };

/** What a submission is answered with: as much as the gateway knew, or that it is not decided. */
export type Submitted = Undecided | { readonly id: string; readonly status: TaskView['status'] };

const LOOK_EVERY_MS = 200;

/** A new scheduler leads within seconds; after this something is wrong. */
const DECIDED_LIMIT_MS = 60_000;

/** The read model is some milliseconds behind the log, and more after a restart. */
const CAUGHT_UP_LIMIT_MS = 60_000;

export const taskPath = (taskId: string): string => `/api/v1/tasks/${encodeURIComponent(taskId)}`;

export const isUndecided = (task: TaskView | Submitted): task is Undecided => task.status === 'accepted';

/** The task once its submission is decided. Rejects with the reason where it was refused after all. */
export const decidedTask = async (api: Api, taskId: string): Promise<TaskView> => {
  const limit = Date.now() + DECIDED_LIMIT_MS;
  for (;;) {
    const task = await api.call<TaskView | Undecided>('GET', taskPath(taskId));
    if (!isUndecided(task)) return task;
    if (Date.now() > limit)
      throw new CommandError(
        EXIT.unreachable,
        `Task ${taskId} is stored, but no scheduler has decided about it within ${DECIDED_LIMIT_MS} ms; see 'orchestra status'.`,
      );
    await wait(LOOK_EVERY_MS);
  }
};

/** The task as it is after the event with this sequence, which may not be in the read model yet. */
export const taskAfter = async (api: Api, taskId: string, seq: number): Promise<TaskView> => {
  const limit = Date.now() + CAUGHT_UP_LIMIT_MS;
  for (;;) {
    const task = await decidedTask(api, taskId);
    if (task.last_seq >= seq) return task;
    if (Date.now() > limit)
      throw new CommandError(
        EXIT.unreachable,
        `What was read about task ${taskId} ends at event ${task.last_seq}, expected ${seq}; see 'orchestra status'.`,
      );
    await wait(LOOK_EVERY_MS);
  }
};

/** Waits without showing anything. */
export const endedTask = async (api: Api, taskId: string): Promise<TaskView> => {
  let seq = 0;
  for await (const { id } of followTask(api, taskId)) seq = Number(id ?? seq);
  return await taskAfter(api, taskId, seq);
};
