import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { closeLeases, grantLeases, planLoad } from '#libs/domain/gpu/decide.js';
import { applyToLedger, emptyLedger, type GpuRecord, type Ledger } from '#libs/domain/gpu/gpu.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import { plan } from '#libs/domain/policy/plan.js';
import type { LoadWish, Placement, PolicySettings } from '#libs/domain/policy/snapshot.js';
import { ReadyQueue } from '#libs/domain/policy/ready-queue.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import { gib, later, NOW_MS, profileOf, readyStep, serverUp } from '#libs/testing/builders.js';

const SECOND = 1000;
const LOAD_S = 3;
const MODELS = ['llama3:8b', 'qwen2.5:14b', 'phi4:14b', 'mistral:7b'].map((model) => profileOf(model));

type Job = {
  readonly model: number;
  readonly priority: number;
  readonly arrivesS: number;
  readonly runsS: number;
};

/** One GPU, a second at a time: the plan is made, leases are granted and end, models come and go. */
class OneGpu {
  readonly ledger: Ledger = emptyLedger();
  readonly ready = new ReadyQueue();
  readonly waitsS: number[] = [];
  loads = 0;
  readonly #ends = new Map<string, number>();
  readonly #bytes: ReadonlyMap<string, number>;
  #load: { readonly wish: LoadWish; readonly doneS: number; readonly residencyId: string } | null = null;

  constructor(
    private readonly jobs: readonly Job[],
    private readonly settings: PolicySettings,
    bytesEach: number,
  ) {
    this.#bytes = new Map(MODELS.map((profile) => [profileKey(profile), bytesEach]));
    for (const event of serverUp('gpu1', { slots: 2 })) this.#append(event);
  }

  /** Seconds until all jobs are done; the limit when they are not. */
  run(limitS: number): number {
    let done = 0;
    for (let nowS = 0; nowS < limitS; nowS += 1) {
      for (const [n, job] of this.jobs.entries())
        if (job.arrivesS === nowS) this.ready.put(this.#step(n, job));
      const over = [...this.#ends].filter(([, endS]) => endS <= nowS).map(([leaseId]) => leaseId);
      for (const leaseId of over) this.#ends.delete(leaseId);
      done += over.length;
      for (const event of closeLeases(this.ledger, over, { type: 'lease.released' }, later(nowS * SECOND)))
        this.#append(event);
      this.#finishLoad(nowS);
      if (done === this.jobs.length) return nowS;
      const { placements, loads } = plan({
        ready: this.ready,
        ledger: this.ledger,
        asked: new Map(),
        loadsAsked: new Set(),
        knownBytes: this.#bytes,
        nowMs: NOW_MS + nowS * SECOND,
        settings: this.settings,
      });
      for (const wish of loads) this.#startLoad(wish, nowS);
      for (const placement of placements) this.#place(placement, nowS);
    }
    return limitS;
  }

  #append(event: GpuRecord['event']): void {
    applyToLedger(this.ledger, { seq: this.ledger.seq + 1, event });
  }

  #step(n: number, { model, priority, arrivesS }: Job): ReadyStep {
    const profile = MODELS[model] ?? profileOf('none');
    return readyStep(`t${n}`, {
      seq: arrivesS * 1000 + n,
      priority,
      submittedAtMs: NOW_MS + arrivesS * SECOND,
      requirement: { kind: 'model', profile },
    });
  }

  #place({ step, serverId, residencyId }: Placement, nowS: number): void {
    const job = this.jobs[Number(step.taskId.slice(1))];
    if (job === undefined || residencyId === undefined)
      throw new Error(`${step.taskId} was placed on no model`);
    const request = {
      leaseId: step.taskId,
      taskId: step.taskId,
      stepId: step.stepId,
      attempt: 1,
      serverId,
      residencyId,
    };
    const { events, refused } = grantLeases(this.ledger, [request], later(nowS * SECOND));
    expect(refused).toEqual([]);
    for (const event of events) this.#append(event);
    this.ready.remove(step.taskId, step.stepId);
    this.#ends.set(step.taskId, nowS + job.runsS);
    this.waitsS.push(nowS - job.arrivesS);
  }

  #startLoad(wish: LoadWish, nowS: number): void {
    const server = this.ledger.servers.get(wish.serverId);
    const bytes = this.#bytes.get(profileKey(wish.profile)) ?? 0;
    if (!server) throw new Error(`${wish.serverId} is not configured`);
    expect(planLoad(server, wish.profile, bytes, wish.evict)).toEqual({ kind: 'swap', unload: wish.evict });
    const at = later(nowS * SECOND);
    const { serverId, profile } = wish;
    for (const residencyId of wish.evict) {
      this.#append({ type: 'residency.unload-started', serverId, residencyId, reason: 'room', at });
      this.#append({ type: 'residency.unloaded', serverId, residencyId, reason: 'room', at });
    }
    this.loads += 1;
    const residencyId = `r${this.loads}`;
    this.#append({ type: 'residency.load-started', serverId, residencyId, profile, bytes, slots: 2, at });
    this.#load = { wish, doneS: nowS + LOAD_S, residencyId };
  }

  #finishLoad(nowS: number): void {
    if (this.#load === null || this.#load.doneS > nowS) return;
    const { wish, residencyId } = this.#load;
    const bytes = this.#bytes.get(profileKey(wish.profile)) ?? 0;
    this.#append({
      type: 'residency.loaded',
      serverId: wish.serverId,
      residencyId,
      bytes,
      vramBytes: bytes,
      loadMs: LOAD_S * SECOND,
      at: later(nowS * SECOND),
    });
    this.#load = null;
  }
}

const jobs = fc.array(
  fc.record({
    model: fc.nat(MODELS.length - 1),
    priority: fc.constantFrom(1, 5, 5, 5, 9),
    arrivesS: fc.nat(60),
    runsS: fc.integer({ min: 1, max: 4 }),
  }),
  { minLength: 1, maxLength: 40, size: 'max' },
);

const settingsOf = (swapPatienceMs: number): PolicySettings => ({
  swapPatienceMs,
  placementsMax: 100,
  loadRetryMs: 10_000,
  loadFailuresMax: 3,
});

describe('whatever is submitted', () => {
  it.each([
    { name: 'one model fits', bytes: gib(20), patienceMs: 15_000 },
    { name: 'two models fit', bytes: gib(10), patienceMs: 15_000 },
    { name: 'the patience is short', bytes: gib(20), patienceMs: 2_000 },
    { name: 'there is no patience', bytes: gib(20), patienceMs: 0 },
    { name: 'the patience is long', bytes: gib(20), patienceMs: 120_000 },
  ])('all of it is done in bounded time where $name', ({ bytes, patienceMs }) => {
    fc.assert(
      fc.property(jobs, (submitted) => {
        // Arrivals, then at worst each job after a swap of its own: patience, drain, load and run.
        const each = Math.max(patienceMs / SECOND, 1) + 4 + LOAD_S + 4 + 2;
        const limitS = 61 + submitted.length * each;
        expect(new OneGpu(submitted, settingsOf(patienceMs), bytes).run(limitS)).toBeLessThan(limitS);
      }),
      { numRuns: 40 },
    );
  });

  it('a backlog of two models is worked off in turns, not with a swap for each task', () => {
    const backlog = Array.from({ length: 60 }, (_, n) => ({
      model: n % 2,
      priority: 5,
      arrivesS: 0,
      runsS: 1,
    }));
    const gpu = new OneGpu(backlog, settingsOf(5_000), gib(20));
    // 60 seconds of work on two slots, and turns of at least five seconds.
    expect(gpu.run(300)).toBeLessThan(60);
    expect(gpu.loads).toBeLessThanOrEqual(10);
  });

  it('a low priority is served although higher ones keep coming', () => {
    const urgent = Array.from({ length: 100 }, (_, n) => ({ model: 0, priority: 9, arrivesS: n, runsS: 2 }));
    const gpu = new OneGpu(
      [{ model: 1, priority: 1, arrivesS: 0, runsS: 1 }, ...urgent],
      settingsOf(10_000),
      gib(20),
    );
    gpu.run(400);
    expect(gpu.ready.find('t0', 'a')).toBeUndefined();
    const early = new OneGpu(
      [{ model: 1, priority: 1, arrivesS: 0, runsS: 1 }, ...urgent],
      settingsOf(10_000),
      gib(20),
    );
    early.run(30);
    expect(early.ready.find('t0', 'a')).toBeUndefined();
  });
});
