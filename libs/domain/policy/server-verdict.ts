import type { Failure } from '../errors.js';
import type { ForeignModel } from '../gpu/events.js';
import { busySlots, freeBytes, type Residency, type Server } from '../gpu/gpu.js';
import { sameModel, type ModelProfile } from '../gpu/profile.js';
import type { ResidencyId } from '../ids.js';
import { msOf } from '../time.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { slotPlace, type Snapshot } from './snapshot.js';

/** A model that no server holds, and the first step that waits for it. */
export type Candidate = {
  readonly group: ReadyGroup;
  readonly head: ReadyStep;
  readonly profile: ModelProfile;
};

/** The next step of each group, by its key. */
export type Heads = ReadonlyMap<string, ReadyStep | undefined>;

/**
 * Whether a server may load the candidate now: at once, or once the victim that is in use has drained. The plan is made of
 * these, and `explain` tells them, so that what is told is what is done.
 */
export type Verdict =
  | { readonly may: true; readonly evict: readonly ResidencyId[]; readonly drain: ResidencyId | null }
  | { readonly may: false; readonly obstacle: Obstacle };

export type Obstacle =
  | { readonly kind: 'not-up'; readonly state: Server['state'] }
  /** Servers load and unload one model at a time. */
  | { readonly kind: 'other-load'; readonly model: string; readonly state: Residency['state'] }
  /** Null: not again for tasks that were submitted before it failed. */
  | { readonly kind: 'load-failed'; readonly failure: Failure; readonly againAtMs: number | null }
  | { readonly kind: 'too-large'; readonly needBytes: number; readonly vramBytes: number }
  /** A loaded model with work of its own keeps its place, until then at most. */
  | { readonly kind: 'in-use'; readonly model: string; readonly untilMs: number }
  /** What somebody else has loaded there leaves too little. */
  | { readonly kind: 'foreign'; readonly models: readonly ForeignModel[] };

export const judgeServer = (
  server: Server,
  candidate: Candidate,
  heads: Heads,
  snapshot: Snapshot,
): Verdict => {
  const obstacle = obstacleAhead(server, candidate, snapshot);
  return obstacle ? { may: false, obstacle } : makeRoom(server, candidate, heads, snapshot);
};

export const FINAL: ReadonlySet<string> = new Set([
  'MODEL_NOT_FOUND',
  'MODEL_SPILLED',
  'MODEL_REQUEST_REFUSED',
  'NO_SERVER_FITS',
]);

/** Servers load one model at a time, and a load that has just failed there is not repeated at once. */
const obstacleAhead = (
  server: Server,
  { group, head }: Candidate,
  { nowMs, settings, knownBytes }: Snapshot,
): Obstacle | null => {
  if (server.state !== 'up') return { kind: 'not-up', state: server.state };
  for (const { state, profile } of server.residencies.values())
    if (state !== 'loaded') return { kind: 'other-load', model: profile.model, state };
  const needBytes = knownBytes.get(group.key) ?? 0;
  const { vramBytes } = server.spec;
  if (needBytes > vramBytes) return { kind: 'too-large', needBytes, vramBytes };
  const last = server.loadFailures.get(group.key);
  if (last === undefined || msOf(last.at) < head.submittedAtMs) return null;
  const { failure } = last;
  if (FINAL.has(failure.code)) return { kind: 'load-failed', failure, againAtMs: null };
  const againAtMs = msOf(last.at) + settings.loadRetryMs;
  return nowMs < againAtMs ? { kind: 'load-failed', failure, againAtMs } : null;
};

/** However short the patience, a model that was loaded serves before it goes again: two could otherwise swap for ever and do nothing. */
const RESIDENT_MIN_MS = 1_000;

/**
 * Which residencies have to go. Idle ones that nobody waits for go first, the longest loaded first; then, when the
 * candidate has waited its patience or outranks their next step, one that is in use is drained: nothing new starts on it.
 * One with work of its own that was loaded less than a patience ago stays, except where it is outranked and was not
 * loaded for work that had waited its patience: whoever waited gets a turn, and a swap is used before the next one.
 */
const makeRoom = (server: Server, candidate: Candidate, heads: Heads, snapshot: Snapshot): Verdict => {
  const { profile, group } = candidate;
  const need = snapshot.knownBytes.get(group.key) ?? 0;
  const all = [...server.residencies.values()];
  const keeps = (residency: Residency): boolean => !mayYield(residency, candidate, heads, snapshot);
  const clash = all.find((other) => sameModel(other.profile.model, profile.model));
  if (clash && keeps(clash)) return inUse([clash], candidate, snapshot);
  const victims: Residency[] = clash ? [clash] : [];
  const fits = (): boolean =>
    freeBytes(server, profile.model) + victims.reduce((sum, { bytes }) => sum + bytes, 0) >= need;
  const rank = (residency: Residency): number => {
    if (heads.get(residency.key) !== undefined) return 2;
    return busySlots(server, residency.residencyId) > 0 ? 1 : 0;
  };
  const inTurn = (): Residency[] =>
    all
      .filter((residency) => residency !== clash && !keeps(residency))
      .toSorted((a, b) => rank(a) - rank(b) || (a.since < b.since ? -1 : 1));
  for (let others: Residency[] | null = null; !fits();) {
    others ??= inTurn();
    const next = others.shift();
    if (next === undefined) {
      const keeping = all.filter(keeps);
      return keeping.length > 0
        ? inUse(keeping, candidate, snapshot)
        : { may: false, obstacle: { kind: 'foreign', models: server.foreign } };
    }
    victims.push(next);
  }
  const { serverId } = server.spec;
  const busy = victims.find(
    ({ residencyId }) =>
      busySlots(server, residencyId) + (snapshot.asked.get(slotPlace(serverId, residencyId)) ?? 0) > 0,
  );
  return {
    may: true,
    evict: victims.map(({ residencyId }) => residencyId),
    drain: busy?.residencyId ?? null,
  };
};

const mayYield = (residency: Residency, { head }: Candidate, heads: Heads, snapshot: Snapshot): boolean => {
  const rival = heads.get(residency.key);
  if (rival === undefined) return true;
  const { nowMs, settings } = snapshot;
  const overdue = (step: ReadyStep): boolean => nowMs - step.submittedAtMs >= settings.swapPatienceMs;
  const isFresh = (): boolean => nowMs < servedAtMs(residency, snapshot);
  return (head.priority > rival.priority && !(overdue(rival) && isFresh())) || (overdue(head) && !isFresh());
};

/** When a loaded model has had its turn. */
const servedAtMs = ({ since }: Residency, { settings }: Snapshot): number =>
  msOf(since) + Math.max(settings.swapPatienceMs, RESIDENT_MIN_MS);

/** The one of them that yields first: at the latest when the candidate is overdue and it has had its turn. */
const inUse = (keeping: readonly Residency[], { head }: Candidate, snapshot: Snapshot): Verdict => {
  const overdueAtMs = head.submittedAtMs + snapshot.settings.swapPatienceMs;
  const [first] = keeping
    .map((residency) => ({
      kind: 'in-use' as const,
      model: residency.profile.model,
      untilMs: Math.max(overdueAtMs, servedAtMs(residency, snapshot)),
    }))
    .toSorted((a, b) => a.untilMs - b.untilMs);
  return { may: false, obstacle: first ?? { kind: 'foreign', models: [] } };
};
