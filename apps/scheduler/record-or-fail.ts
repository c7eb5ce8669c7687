import { failTask } from '#libs/domain/task/decide.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import { EventTooLargeError } from '#libs/event-log/event-log.js';
import type { Recorder } from './recorder.js';

/** What one event cannot hold of a step that waits fails the task: trying again would not shrink it. */
export const recordOrFail = (
  recorder: Recorder,
  events: readonly TaskEvent[],
  task: OpenTask,
  at: string,
): void => {
  try {
    recorder.record(events);
  } catch (error) {
    if (!(error instanceof EventTooLargeError)) throw error;
    const message = `What is asked, or what came of it, does not fit into one event: ${error.message}`;
    recorder.record(failTask(task, { code: 'STEP_INPUT_INVALID', message }, at));
  }
};
