import type { GrantedLease } from '../gpu/events.js';
import { busySlots, type Ledger } from '../gpu/gpu.js';
import type { ResidencyId, ServerId, StepId, TaskId } from '../ids.js';
import type { TaskBook } from '../task/task-book.js';
import type { TaskIndex } from '../task/task-index.js';
import type { OpenTask, Step } from '../task/task.js';
import { requirementKey, type Requirement } from '../task/requirement.js';
import { msOf } from '../time.js';
import { chooseLoads, headsOf, modelServers } from './choose-loads.js';
import { before } from './ordering.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { judgeServer, type Verdict } from './server-verdict.js';
import { slotPlace, type Snapshot } from './snapshot.js';

/** A step of an open task at this moment, and if it waits, for what. */
export type StepExplanation = {
  readonly stepId: StepId;
  readonly model: string | null;
} & (
  | { readonly state: 'done' | 'stopped' }
  | {
      readonly state: 'running';
      readonly attempt: number;
      readonly serverId: ServerId;
      readonly since: string;
    }
  | { readonly state: 'waiting'; readonly wait: Wait }
);

export type Wait =
  /** The task is to end as soon as its running attempts have stopped; nothing of it starts any more. */
  | { readonly kind: 'ending'; readonly how: 'cancelled' | 'failed' }
  | { readonly kind: 'tasks'; readonly taskIds: readonly TaskId[] }
  | { readonly kind: 'steps'; readonly stepIds: readonly StepId[] }
  /** The pause before the next attempt. */
  | { readonly kind: 'retry'; readonly attempt: number; readonly atMs: number }
  /** A slot was found and its lease is on its way. */
  | { readonly kind: 'lease' }
  /** What it needs is loaded, or needs no loading. */
  | { readonly kind: 'slot'; readonly position: Position; readonly places: readonly PlaceView[] }
  | {
      readonly kind: 'loading';
      readonly position: Position;
      readonly serverId: ServerId;
      readonly since: string;
    }
  /** No server holds its model. One verdict per server; a load that has been asked for does not show there yet. */
  | {
      readonly kind: 'model';
      readonly position: Position;
      readonly servers: readonly ServerVerdict[];
    };

/** Ready steps that go first: of those that need the same, and of all. */
export type Position = { readonly aheadOfSame: number; readonly ahead: number };

export type PlaceView = {
  readonly serverId: ServerId;
  readonly slots: number;
  readonly busy: number;
  /** Nothing new starts there, because it is to make room for this model. */
  readonly makesRoomFor: string | null;
  /** Who has its slots; the first of them where there are many. */
  readonly holders: readonly Pick<GrantedLease, 'taskId' | 'stepId'>[];
};

export type ServerVerdict = {
  readonly serverId: ServerId;
  readonly verdict: Verdict | { readonly may: 'asked' };
};

/** Holders that are named of one place. */
const HOLDERS_MAX = 20;

export type Moment = { readonly book: TaskBook; readonly index: TaskIndex; readonly snapshot: Snapshot };

/** Why each step of an open task is where it is, from the same functions by which the plan is made. */
export const explainTask = (task: OpenTask, moment: Moment): readonly StepExplanation[] =>
  task.steps.map((step) => explainStep(task, step, moment));

const explainStep = (task: OpenTask, step: Step, moment: Moment): StepExplanation => {
  const { spec, progress } = step;
  const named = {
    stepId: spec.id,
    model: spec.requirement.kind === 'model' ? spec.requirement.profile.model : null,
  };
  switch (progress.status) {
    case 'done':
    case 'stopped':
      return { ...named, state: progress.status };
    case 'active': {
      const { attempt, lease, at } = progress;
      return { ...named, state: 'running', attempt, serverId: lease.serverId, since: at };
    }
    case 'pending':
      return { ...named, state: 'waiting', wait: waitOf(task, step, progress, moment) };
  }
};

type Pending = Extract<Step['progress'], { readonly status: 'pending' }>;

/** The first that applies, in the order in which the scheduler looks. */
const waitOf = (
  task: OpenTask,
  { spec }: Step,
  { attempts, notBefore }: Pending,
  { book, index, snapshot }: Moment,
): Wait => {
  if (task.ending) return { kind: 'ending', how: task.ending.kind };
  const taskIds = task.dependsOn.filter((id) => book.closed.get(id) !== 'completed');
  if (taskIds.length > 0) return { kind: 'tasks', taskIds };
  const stepIds = spec.needs.filter(
    (id) => task.steps.find((other) => other.spec.id === id)?.progress.status !== 'done',
  );
  if (stepIds.length > 0) return { kind: 'steps', stepIds };
  const atMs = notBefore === null ? 0 : msOf(notBefore);
  if (atMs > snapshot.nowMs) return { kind: 'retry', attempt: attempts + 1, atMs };
  const step = index.ready.find(task.id, spec.id);
  return step === undefined ? { kind: 'lease' } : readyWait(step, snapshot);
};

/** For what a ready step waits. */
export const readyWait = (step: ReadyStep, snapshot: Snapshot): Wait => {
  const groups = snapshot.ready.groups();
  const key = requirementKey(step.requirement);
  const group = groups.find((other) => other.key === key);
  const position = positionOf(step, group, groups);
  const { requirement } = step;
  const { closed } = chooseLoads(groups, snapshot);
  const places = placesOf(requirement, key, snapshot, (id) => closed.get(id)?.model ?? null);
  if (requirement.kind === 'cpu' || places.length > 0) return { kind: 'slot', position, places };
  const loading = loadingOf(key, snapshot.ledger);
  if (loading) return { kind: 'loading', position, ...loading };
  const [head] = group?.steps ?? [];
  const candidate = group && head ? { group, head, profile: requirement.profile } : null;
  const heads = headsOf(groups);
  const servers = modelServers(snapshot.ledger).map((server): ServerVerdict => {
    const { serverId } = server.spec;
    const isAsked = snapshot.loadsAsked.has(serverId) || candidate === null;
    return {
      serverId,
      verdict: isAsked ? { may: 'asked' } : judgeServer(server, candidate, heads, snapshot),
    };
  });
  return { kind: 'model', position, servers };
};

const positionOf = (
  step: ReadyStep,
  same: ReadyGroup | undefined,
  groups: readonly ReadyGroup[],
): Position => {
  const aheadIn = (group: ReadyGroup): number => {
    let ahead = 0;
    for (const other of group.steps) {
      if (!before(other, step)) break;
      ahead += 1;
    }
    return ahead;
  };
  return {
    aheadOfSame: same ? aheadIn(same) : 0,
    ahead: groups.reduce((sum, group) => sum + aheadIn(group), 0),
  };
};

/** Where it could run: loaded residencies of its profile, or CPU slots. */
const placesOf = (
  requirement: Requirement,
  key: string,
  { ledger, asked }: Snapshot,
  makesRoomFor: (residencyId: ResidencyId) => string | null,
): readonly PlaceView[] => {
  const places: PlaceView[] = [];
  for (const server of ledger.servers.values()) {
    if (server.state !== 'up') continue;
    const { serverId, kind, slots } = server.spec;
    const view = (residencyId: ResidencyId | undefined, slotCount: number): PlaceView => ({
      serverId,
      slots: slotCount,
      busy: busySlots(server, residencyId) + (asked.get(slotPlace(serverId, residencyId)) ?? 0),
      makesRoomFor: residencyId === undefined ? null : makesRoomFor(residencyId),
      holders: [...server.leases.values()]
        .filter((lease) => lease.residencyId === residencyId)
        .slice(0, HOLDERS_MAX)
        .map(({ taskId, stepId }) => ({ taskId, stepId })),
    });
    if (requirement.kind === 'cpu') {
      if (kind === 'cpu') places.push(view(undefined, slots));
      continue;
    }
    for (const residency of server.residencies.values())
      if (residency.key === key && residency.state === 'loaded')
        places.push(view(residency.residencyId, residency.slots));
  }
  return places;
};

const loadingOf = (
  key: string,
  ledger: Ledger,
): { readonly serverId: ServerId; readonly since: string } | null => {
  for (const { state, spec, residencies } of ledger.servers.values()) {
    if (state !== 'up') continue;
    for (const residency of residencies.values())
      if (residency.key === key && residency.state === 'loading')
        return { serverId: spec.serverId, since: residency.since };
  }
  return null;
};
