// The reader's tour: previous: libs/event-log/event-log.ts, which made the submission durable; next:
// apps/executor/run-attempt.ts, which runs what is dispatched here.
import type {
  EnsureResidentReply,
  EnsureResidentRequest,
  GrantReply,
  GrantRequest,
} from '#libs/contracts/lease-rpc.js';
import { dispatchStep } from '#libs/domain/task/decide.js';
import { failStep } from '#libs/domain/task/fail-step.js';
import { expireTask } from '#libs/domain/task/queue-time.js';
import type { ServerId } from '#libs/domain/ids.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import type { Ledger } from '#libs/domain/gpu/gpu.js';
import { vramShareOf } from '#libs/domain/gpu/room.js';
import { plan } from '#libs/domain/policy/plan.js';
import { snapshotOf } from '#libs/domain/policy/snapshot-of.js';
import { slotPlace, type LoadWish, type Placement, type Snapshot } from '#libs/domain/policy/snapshot.js';
import { templateKey } from '#libs/domain/task/task-book.js';
import { readableOutcomes } from '#libs/domain/task/step-outcomes.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { LeaseRef, TaskEvent } from '#libs/domain/task/events.js';
import { EventTooLargeError } from '#libs/event-log/event-log.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import { renderStep } from '#libs/template/render.js';
import { secretsFor } from './secrets-for.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import type { Conditions } from './conditions.js';
import type { Recorder } from './recorder.js';
import { Foresight } from './foresight.js';
import type { ItemLists } from './item-lists.js';
import { parametersOf } from './task-parameters.js';
import type { WaitingDesk } from './waiting-desk.js';
import { pause } from '#libs/event-log/pause.js';

export type Allocator = {
  readonly grant: (request: GrantRequest) => Promise<GrantReply>;
  readonly giveBack: (leaseIds: readonly string[]) => void;
  readonly ensureResident: (request: EnsureResidentRequest) => Promise<EnsureResidentReply>;
};

export type CycleOptions = {
  readonly recorder: Recorder;
  readonly conditions: Conditions;
  readonly lists: ItemLists;
  readonly waiting: WaitingDesk;
  readonly ledger: Ledger;
  readonly allocator: Allocator;
  readonly clock: Clock;
  readonly newLeaseId: () => string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/**
 * Grant requests under way at once. Two keep the allocator busy while an answer travels; more would only cut the same
 * ready steps into smaller batches.
 */
const GRANTS_IN_FLIGHT_MAX = 2;

/** A load wish that was answered shows in the ledger soon after; until then the server is not asked again. */
const LOAD_ASKED_MS = 2_000;

type Ask = { readonly place: string; readonly placement: Placement };

/**
 * The scheduling cycle: snapshot, pure policy, effects. It runs when something changed that could place a step, never
 * twice at once, and leaves no step in two hands: a step is held from the moment a lease is asked for it until
 * the dispatch or the refusal.
 */
export class ScheduleCycle {
  readonly #asked = new Map<string, Ask>();
  readonly #loadsAsked = new Map<ServerId, number>();
  readonly #knownBytes = new Map<string, number>();
  #grantsInFlight = 0;
  readonly foresight: Foresight;
  #due = false;
  cycles = 0;

  constructor(private readonly options: CycleOptions) {
    this.foresight = new Foresight(options.clock);
  }

  /** Something changed: run soon, once for everything that changes in this turn. */
  wake(): void {
    if (this.#due || this.#grantsInFlight >= GRANTS_IN_FLIGHT_MAX) return;
    this.#due = true;
    setImmediate(() => {
      this.#due = false;
      if (!this.options.signal.aborted) this.#run();
    });
  }

  /** The ledger shows a grant: its slot is counted there from now on. */
  granted(leaseIds: readonly string[]): void {
    for (const leaseId of leaseIds) this.#asked.delete(leaseId);
  }

  /** The ledger shows a load on this server. */
  loadSeen(serverId: ServerId): void {
    this.#loadsAsked.delete(serverId);
  }

  /** Everything that a decision at this moment is made from. */
  snapshot(nowMs: number): Snapshot {
    const { recorder, ledger } = this.options;
    const asked = {
      asked: this.#askedByPlace(),
      loadsAsked: this.#loadsStillAsked(nowMs),
      knownBytes: this.#knownBytes,
    };
    return snapshotOf({ book: recorder.book, index: recorder.index, ledger }, asked, nowMs);
  }

  /** What has waited longer than it was allowed to fails now. Also called where no cycle runs: the allocator may be away for long. */
  expire(nowMs: number): void {
    const { recorder } = this.options;
    for (const taskId of recorder.index.takeExpired(nowMs)) {
      const task = recorder.book.open.get(taskId);
      if (task) recorder.record(expireTask(task, nowMs));
    }
  }

  #run(): void {
    const { recorder, clock } = this.options;
    this.cycles += 1;
    // 1. Snapshot: the folded facts, and what was asked for that they do not show yet.
    const nowMs = clock.nowMs();
    this.expire(nowMs);
    recorder.index.wake(nowMs);
    // Of tasks whose time has come.
    this.options.conditions.decide();
    this.options.waiting.begin();
    if (recorder.index.isIdle || recorder.book.pauses.has('queue')) return;
    // 2. Decide.
    const { placements, loads, impossible } = plan(this.snapshot(nowMs));
    // 3. What can never run fails now, and says why.
    for (const { step, failure } of impossible) {
      const task = recorder.book.open.get(step.taskId);
      if (task) recorder.record(failStep(task, { stepId: step.stepId, failure }, rfc3339(nowMs)));
    }
    // 4. Ask for loads; they show in the ledger when they are done.
    for (const load of loads) void this.#askLoad(load, nowMs);
    // 5. Ask for leases, and dispatch what is granted.
    if (placements.length > 0) void this.#askLeases(placements);
    if (impossible.length > 0) this.wake();
    // 6. Predict the start of what has to wait: in a turn of its own, when everything above is on its way.
    if (recorder.index.predictions.isDue) setImmediate(() => this.#predict());
  }

  #predict(): void {
    const { signal, recorder } = this.options;
    if (!signal.aborted) this.foresight.predict(recorder.index, (nowMs) => this.snapshot(nowMs));
  }

  async #askLeases(placements: readonly Placement[]): Promise<void> {
    const { recorder, newLeaseId, clock } = this.options;
    const asks = new Map(placements.map((placement) => [newLeaseId(), placement]));
    for (const [leaseId, placement] of asks) {
      recorder.index.hold(placement.step.taskId, placement.step.stepId, clock.nowMs());
      this.#asked.set(leaseId, { place: slotPlace(placement.serverId, placement.residencyId), placement });
    }
    this.#grantsInFlight += 1;
    const reply = await this.#untilAnswered(asks);
    this.#grantsInFlight -= 1;
    if (this.options.signal.aborted || reply === null) return;
    for (const { leaseId, token } of reply.granted) {
      const placement = asks.get(leaseId);
      if (placement) this.#dispatch(placement, leaseId, token);
    }
    const nowMs = clock.nowMs();
    for (const { leaseId, failure } of reply.refused) {
      const placement = asks.get(leaseId);
      this.#asked.delete(leaseId);
      if (placement === undefined) continue;
      this.options.logger.debug({ taskId: placement.step.taskId, failure }, 'lease refused');
      recorder.index.release(placement.step.taskId, placement.step.stepId, nowMs);
    }
    this.wake();
  }

  /** An allocator that is away comes back or is replaced; asking again with the same lease ids grants nothing twice. */
  async #untilAnswered(asks: ReadonlyMap<string, Placement>): Promise<GrantReply | null> {
    const requests = [...asks].map(([leaseId, { step, serverId, residencyId }]) => ({
      leaseId,
      serverId,
      taskId: step.taskId,
      stepId: step.stepId,
      attempt: step.attempt,
      ...(residencyId === undefined ? {} : { residencyId }),
    }));
    while (!this.options.signal.aborted) {
      try {
        return await this.options.allocator.grant({ requests });
      } catch (error) {
        this.options.logger.warn(
          { error: String(error), leases: requests.length },
          'the allocator does not answer; asking again',
        );
        await pause(ASK_AGAIN_MS, this.options.signal);
      }
    }
    return null;
  }

  #dispatch(placement: Placement, leaseId: string, token: number): void {
    const { recorder, clock, allocator } = this.options;
    const { step } = placement;
    const nowMs = clock.nowMs();
    const at = rfc3339(nowMs);
    const task = recorder.book.open.get(step.taskId);
    const lease = { leaseId, token, serverId: placement.serverId };
    const dispatched =
      task !== undefined &&
      this.#record(this.#dispatchEvents(task, placement, lease, at), task, step.stepId, at);
    // The task was cancelled meanwhile, say. If this gets lost, the lease expires: nobody renews it.
    if (!dispatched) allocator.giveBack([leaseId]);
    recorder.index.release(step.taskId, step.stepId, nowMs);
  }

  #dispatchEvents(
    task: OpenTask,
    { step, serverId, residencyId }: Placement,
    lease: LeaseRef,
    at: string,
  ): readonly TaskEvent[] {
    const { recorder, lists } = this.options;
    const template = recorder.book.templates.get(templateKey(task.template)) as CompiledTemplate | undefined;
    if (template === undefined) return [];
    const { stepId, attempt } = step;
    const given = parametersOf(task, template, recorder.book);
    if (!given.ok) return failStep(task, { stepId, failure: given.failure }, at);
    const rendered = renderStep(template, stepId, {
      parameters: given.parameters,
      ...readableOutcomes(task),
      ...lists.scopeOf(task, stepId, template, recorder.book),
    });
    if (!rendered.ok) return failStep(task, { stepId, failure: rendered.failure }, at);
    const vramShare = vramShareOf(this.options.ledger, serverId, residencyId);
    const predictedMs = recorder.index.predictions.of(task.id, stepId);
    return dispatchStep(
      task,
      {
        stepId,
        attempt,
        lease,
        ...(vramShare === undefined ? {} : { vramShare }),
        ...(predictedMs === undefined ? {} : { predictedStartAt: rfc3339(Math.floor(predictedMs)) }),
        input: rendered.input,
        ...secretsFor(task, template, rendered.uses),
        at,
      },
      recorder.book.pauses,
    );
  }

  /** Whether the step is dispatched. An input that one event cannot hold fails it: trying again would not shrink it. */
  #record(events: readonly TaskEvent[], task: OpenTask, stepId: string, at: string): boolean {
    const { recorder } = this.options;
    try {
      recorder.record(events);
      return events.some(({ type }) => type === 'step.dispatched');
    } catch (error) {
      if (!(error instanceof EventTooLargeError)) throw error;
      const message = `The filled-in input does not fit into one event: ${error.message}`;
      const failure = { code: 'STEP_INPUT_INVALID', message } as const;
      recorder.record(failStep(task, { stepId, failure }, at));
      return false;
    }
  }

  async #askLoad(load: LoadWish, nowMs: number): Promise<void> {
    const { serverId, profile, evict } = load;
    this.#loadsAsked.set(serverId, nowMs + LOAD_ASKED_MS);
    this.options.logger.info(
      { serverId, model: profile.model, evict, because: load.because },
      'asking for a load',
    );
    try {
      const reply = await this.options.allocator.ensureResident({ serverId, profile, evict });
      if (reply.ok) return;
      const need = reply.failure.details?.['needBytes'];
      if (typeof need === 'number') this.#knownBytes.set(profileKey(profile), need);
      this.foresight.forget();
      this.options.logger.info({ serverId, model: profile.model, failure: reply.failure }, 'load refused');
    } catch (error) {
      this.options.logger.warn(
        { error: String(error), serverId },
        'the allocator does not answer about a load',
      );
    }
    this.#loadsAsked.delete(serverId);
    await pause(ASK_AGAIN_MS, this.options.signal);
    this.wake();
  }

  #askedByPlace(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { place } of this.#asked.values()) counts.set(place, (counts.get(place) ?? 0) + 1);
    return counts;
  }

  #loadsStillAsked(nowMs: number): ReadonlySet<ServerId> {
    for (const [serverId, untilMs] of this.#loadsAsked)
      if (untilMs <= nowMs) this.#loadsAsked.delete(serverId);
    return new Set(this.#loadsAsked.keys());
  }
}

/** Long enough not to load a service that is starting, short enough not to be felt. */
const ASK_AGAIN_MS = 200;
