import type { ScheduleId } from '../ids.js';

/**
 * By how much a firing is put off, in milliseconds from 0 to `jitterMs`: always the same for the same due time of the same schedule, so that
 * whoever leads fires at the same moment. FNV-1a, and the finish of MurmurHash3 so that near times get unlike values.
 */
export const jitterOf = (scheduleId: ScheduleId, dueMs: number, jitterMs: number): number => {
  if (jitterMs === 0) return 0;
  let hash = 0x811c_9dc5;
  const text = `${scheduleId}/${dueMs}`;
  for (let place = 0; place < text.length; place += 1)
    hash = Math.imul(hash ^ text.charCodeAt(place), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % (jitterMs + 1);
};
