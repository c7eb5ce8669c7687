import { TASK_STREAM_TYPES } from '#libs/domain/task/stream-types.js';

/** Facts of the stream that no task view shows. */
export const OF_NO_TASK: ReadonlySet<string> = new Set(
  [...TASK_STREAM_TYPES].filter((type) => !type.startsWith('task.') && !type.startsWith('step.')),
);
