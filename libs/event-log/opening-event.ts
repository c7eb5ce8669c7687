import type { LogPosition, NewEvent } from './event-log.js';

/**
 * What a new leader appends: `log.started` as the first event of a log that has none, its id being the name of this
 * incarnation of the log; `leader.elected` otherwise.
 */
export const openingEvent = (
  at: LogPosition,
  given: { readonly id: string; readonly node: string; readonly time: string },
  subject: (type: string) => string,
): NewEvent => {
  const { id, node, time } = given;
  const common = { id, version: 1, time };
  return at.seq === 0
    ? { ...common, type: 'log.started', subject: subject('log-started'), data: { logId: id, at: time } }
    : { ...common, type: 'leader.elected', subject: subject('leader-elected'), data: { node, at: time } };
};
