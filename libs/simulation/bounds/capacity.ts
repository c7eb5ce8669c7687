import type { RelaxedTask } from './relaxation.js';

/**
 * How fast the servers work at most, together and each, on tasks such as these: GPU time that is worked off per
 * millisecond, a GPU that is as good as any for some of the tasks counting 1. For each task, its time on a server times the speed of that server is no less
 * than its least time, so what `n` servers do in time T is at most the sum of their speeds times T.
 */
export type Capacity = { readonly total: number; readonly on: ReadonlyMap<string, number> };

export const capacityFor = (tasks: Iterable<RelaxedTask>): Capacity => {
  const on = new Map<string, number>();
  for (const { workMs, workMsOn } of tasks)
    for (const [serverId, thereMs] of workMsOn)
      on.set(serverId, Math.max(on.get(serverId) ?? 0, thereMs > 0 ? workMs / thereMs : 1));
  let total = 0;
  for (const speed of on.values()) total += speed;
  return { total, on };
};

export const workOf = (tasks: Iterable<RelaxedTask>): number => {
  let sum = 0;
  for (const { workMs } of tasks) sum += workMs;
  return sum;
};
