import type { WorkspaceId } from '../ids.js';

/**
 * How far each workspace is ahead of the one that has been served least, among those with something ready, in whole quanta.
 * `servedMs` is service by weight: GPU milliseconds times the share of the GPU's memory, divided by the workspace's weight.
 * Within a quantum all are equal, so that priority and batches of one model count; beyond it the one behind goes first.
 */
export const levelsOf = (
  servedMs: ReadonlyMap<WorkspaceId, number>,
  ready: Iterable<WorkspaceId>,
  quantumMs: number,
): ReadonlyMap<WorkspaceId, number> => {
  const known = [...ready].map((workspace) => [workspace, servedMs.get(workspace) ?? 0] as const);
  const leastMs = known.reduce((least, [, ms]) => Math.min(least, ms), Infinity);
  return new Map(known.map(([workspace, ms]) => [workspace, Math.floor((ms - leastMs) / quantumMs)]));
};
