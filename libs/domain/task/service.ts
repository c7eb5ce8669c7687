import type { StepId, WorkspaceId } from '../ids.js';
import { PROFILES_MAX, setLatest } from '../latest.js';
import { paceAfter, type Pace } from '../policy/pace.js';
import { weightOf, type PolicySettings } from '../policy/settings.js';
import { msOf } from '../time.js';
import type { TaskEvent } from './events.js';
import { countAttempt, type ModelsAtWork } from './models-at-work.js';
import { requirementKey } from './requirement.js';
import { activeSteps, type OpenTask, type Task } from './task.js';
import { toldApart } from './told-apart.js';

/** What a workspace has had: milliseconds of a server times the share of its memory, divided by the workspace's weight. */
export type Service = { readonly openTasks: number; readonly servedMs: number };

type Services = { readonly services: Map<WorkspaceId, Service>; readonly policy: PolicySettings };

/**
 * A workspace that comes back begins where the least served one with open tasks is: what it did not use meanwhile is gone, or it could
 * shut out all others for as long as it was away (virtual token counter, Sheng et al., OSDI 2024).
 */
export const openIn = ({ services }: Services, workspace: WorkspaceId): void => {
  const known = services.get(workspace) ?? { openTasks: 0, servedMs: 0 };
  const least = known.openTasks > 0 ? known.servedMs : leastServedMs(services);
  services.set(workspace, {
    openTasks: known.openTasks + 1,
    servedMs: Math.max(known.servedMs, least),
  });
};

/** Forgets those that would begin at the least served one anyway, so that no name is kept for ever; all of them when nobody is left. */
export const closeIn = ({ services }: Services, workspace: WorkspaceId): void => {
  const known = services.get(workspace);
  if (known === undefined) return;
  services.set(workspace, { ...known, openTasks: known.openTasks - 1 });
  if (known.openTasks > 1) return;
  const isInUse = [...services.values()].some(({ openTasks }) => openTasks > 0);
  const least = isInUse ? leastServedMs(services) : Infinity;
  for (const [name, { openTasks, servedMs }] of services)
    if (openTasks === 0 && servedMs <= least) services.delete(name);
};

const leastServedMs = (services: ReadonlyMap<WorkspaceId, Service>): number => {
  let least = Infinity;
  for (const { openTasks, servedMs } of services.values())
    if (openTasks > 0) least = Math.min(least, servedMs);
  return least === Infinity ? 0 : least;
};

/** Charges the workspace with the attempts that the event ended, and learns from the one that succeeded. */
export const countEnded = (
  book: Services & { readonly paces: Map<string, Pace>; readonly atWork: ModelsAtWork },
  before: OpenTask,
  after: Task,
  event: TaskEvent,
): void => {
  const running = activeSteps(before);
  if (running.length === 0) return;
  const still = after.status === 'open' ? activeSteps(after) : [];
  for (const { spec, attempt, at, vramShare, lease } of running) {
    if (still.some((other) => other.spec.id === spec.id && other.attempt === attempt)) continue;
    const endedAtMs = msOf(endOf(event));
    const tookMs = Math.max(0, endedAtMs - msOf(at));
    charge(book, before.workspace, (tookMs * vramShare) / weightOf(book.policy, before.workspace));
    const key = requirementKey(spec.requirement);
    const together = Math.max(1, book.atWork.get(lease.serverId)?.size ?? 1);
    countAttempt(book.atWork, lease.serverId, key, -1);
    if (!hasSucceeded(event, spec.id)) continue;
    const pace = paceAfter(book.paces.get(key), { tookMs, together, endedAtMs });
    setLatest(book.paces, key, pace, PROFILES_MAX);
  }
};

const hasSucceeded = (event: TaskEvent, stepId: StepId): boolean =>
  toldApart(event).some(
    (told) =>
      (told.type === 'step.completed' || told.type === 'task.completed') && told.step?.stepId === stepId,
  );

const charge = ({ services }: Services, workspace: WorkspaceId, ms: number): void => {
  const known = services.get(workspace);
  if (known) services.set(workspace, { ...known, servedMs: known.servedMs + ms });
};

const endOf = (event: TaskEvent): string => {
  if ('at' in event) return event.at;
  return event.type === 'task.submitted' ? event.submittedAt : event.step.endedAt;
};
