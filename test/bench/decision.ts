/**
 * One decision of the scheduler with a long queue: a task ends, another one is submitted, and the plan is made. Everything is the
 * scheduler's own folds and policy, in one process and with a virtual clock; only the messages between the services are left out.
 * Eight servers of three models each serve forty models, so that there are always loads to weigh.
 */
import { nodeFlagsOf } from '#apps/orchestra/launch/node-flags.js';
import { applyToLedger, emptyLedger, type GpuRecord, type Ledger } from '#libs/domain/gpu/gpu.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import { costsOf } from '#libs/domain/policy/costs.js';
import { forecastOf } from '#libs/domain/policy/forecast.js';
import { plan } from '#libs/domain/policy/plan.js';
import { snapshotOf } from '#libs/domain/policy/snapshot-of.js';
import type { Placement, Plan } from '#libs/domain/policy/snapshot.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { applyToBook, emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import {
  gib,
  loaded,
  loadStarted,
  needsModel,
  NOW_MS,
  profileOf,
  serverUp,
  stepSpec,
  submitted,
  success,
} from '#libs/testing/builders.js';
import { collectGarbage } from '#libs/testing/collect-garbage.js';
import { seeded } from '#libs/testing/task-stories.js';
import { rfc3339 } from '#libs/runtime/clock.js';
import { percentile, report, round, type Figures } from './bench-report.js';

const SERVERS = 8;
const SLOTS = 4;
const MODELS = 40;
const WORKSPACES = 5;
const MODEL_BYTES = gib(8);
/** Enough for the 99th percentile to be the mean of some dozens. */
const DECISIONS = Number(process.env['BENCH_DECISIONS'] ?? 5_000);
/** The compiler has seen everything by then. */
const WARM_UP = 1_000;
/** Between two decisions: thirty slots whose work takes some seconds. */
const STEP_MS = 100;
/** As many as one forecast predicts at most. */
const PREDICTED_AT_ONCE = 250;
/** Decisions between two forecasts: a second, as in the scheduler. */
const FORECAST_EVERY = 10;
const PROMPT = 'x'.repeat(200);

type Running = Placement & { readonly leaseId: string };

/** The scheduler's folded state with so many tasks in the queue, and what its decisions do to it. */
class World {
  readonly book: TaskBook = emptyBook();
  readonly ledger: Ledger = emptyLedger();
  readonly index = new TaskIndex(this.book, costsOf(this.book.paces, this.ledger));
  readonly knownBytes = new Map<string, number>();
  readonly #random = seeded(7);
  readonly #running: Running[] = [];
  nowMs = NOW_MS;
  #taskSeq = 0;
  #ledgerSeq = 0;
  #made = 0;

  constructor() {
    for (let n = 0; n < SERVERS; n += 1)
      this.#allocate(...serverUp(`gpu${n}`, { vramBytes: gib(24), slots: SLOTS }));
    for (let n = 0; n < MODELS; n += 1) this.knownBytes.set(profileKey(profileOf(modelOf(n))), MODEL_BYTES);
  }

  /** As it comes from the log: nothing is shared with any other task. */
  submit(): void {
    this.#made += 1;
    const requirement = needsModel(modelOf(Math.floor(this.#random() ** 2 * MODELS)));
    const event = submitted({
      taskId: `01890a5d-ac96-774b-bcce-${String(this.#made).padStart(12, '0')}`,
      parameters: { model: 'any', prompt: `${PROMPT}${this.#made}` },
      workspace: `team-${this.#made % WORKSPACES}`,
      priority: 1 + Math.floor(this.#random() * 10),
      steps: [stepSpec('generate', { requirement })],
      submittedAt: rfc3339(this.nowMs),
    });
    this.#tell(JSON.parse(JSON.stringify(event)) as TaskEvent);
  }

  /** One of the running tasks ends. */
  finish(): void {
    const [ended] = this.#running.splice(Math.floor(this.#random() * this.#running.length), 1);
    if (ended === undefined) return;
    const { step, leaseId, serverId } = ended;
    const done = { ...success(step.stepId), leaseId, serverId };
    const at = rfc3339(this.nowMs);
    this.#tell({ type: 'task.completed', taskId: step.taskId, step: done, result: null, at });
    this.#allocate({ type: 'lease.released', serverId, leaseIds: [leaseId], at });
  }

  decide(): Plan {
    this.index.wake(this.nowMs);
    const asked = {
      asked: new Map<string, number>(),
      loadsAsked: new Set<string>(),
      knownBytes: this.knownBytes,
    };
    return plan(snapshotOf(this, asked, this.nowMs));
  }

  /** Predicts what became ready and has to wait, as the scheduler does behind a decision, in a turn of its own. */
  foresee(): void {
    const { predictions, bounds } = this.index;
    const asked = { asked: new Map<string, number>(), loadsAsked: new Set<string>() };
    const snapshot = snapshotOf(this, { ...asked, knownBytes: this.knownBytes }, this.nowMs);
    predictions.make(snapshot, forecastOf(snapshot), bounds);
  }

  /** What the plan asks for happens at once. */
  carryOut({ placements, loads }: Plan): void {
    const at = rfc3339(this.nowMs);
    for (const { serverId, profile, evict } of loads) {
      for (const residencyId of evict)
        this.#allocate({ type: 'residency.unloaded', serverId, residencyId, reason: 'room', at });
      const residencyId = `r${this.#ledgerSeq}`;
      const sizes = { bytes: MODEL_BYTES, at };
      this.#allocate(
        loadStarted(serverId, residencyId, profile, { ...sizes, slots: SLOTS }),
        loaded(serverId, residencyId, sizes),
      );
    }
    for (const placement of placements) this.#start(placement, at);
  }

  #start(placement: Placement, at: string): void {
    const { step, serverId, residencyId } = placement;
    const { taskId, stepId, attempt, requirement } = step;
    const leaseId = `l${this.#ledgerSeq}`;
    const lease = { leaseId, taskId, stepId, attempt, ...(residencyId === undefined ? {} : { residencyId }) };
    this.#allocate({ type: 'lease.granted', serverId, leases: [lease], at });
    this.#tell({
      type: 'step.dispatched',
      taskId,
      stepId,
      stepType: 'ollama_generate',
      attempt,
      lease: { leaseId, token: this.#ledgerSeq, serverId },
      requirement,
      input: {},
      at,
    });
    this.#running.push({ ...placement, leaseId });
  }

  #tell(event: TaskEvent): void {
    this.#taskSeq += 1;
    applyToBook(this.book, { seq: this.#taskSeq, event });
    this.index.refresh(event.taskId, this.nowMs);
  }

  #allocate(...events: readonly GpuRecord['event'][]): void {
    for (const event of events) {
      this.#ledgerSeq += 1;
      applyToLedger(this.ledger, { seq: this.#ledgerSeq, event });
    }
  }
}

const modelOf = (n: number): string => `model-${n}:8b`;

type Measured = {
  readonly ms: readonly number[];
  readonly forecastMs: readonly number[];
  readonly bytesPerTask: number;
  readonly loads: number;
};

const measured = (queued: number): Measured => {
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const world = new World();
  for (let n = 0; n < queued; n += 1) {
    world.submit();
    // Each of them has its prediction, which takes memory too.
    if (n % PREDICTED_AT_ONCE === 0) world.foresee();
  }
  collectGarbage();
  const bytesPerTask = (process.memoryUsage().heapUsed - before) / queued;
  const ms: number[] = [];
  const forecastMs: number[] = [];
  let loads = 0;
  for (let n = 0; n < WARM_UP + DECISIONS; n += 1) {
    world.nowMs += STEP_MS;
    const sinceMs = performance.now();
    world.finish();
    world.submit();
    const made = world.decide();
    if (n >= WARM_UP) ms.push(performance.now() - sinceMs);
    world.carryOut(made);
    if (n % FORECAST_EVERY === 0) {
      const beginMs = performance.now();
      world.foresee();
      if (n >= WARM_UP) forecastMs.push(performance.now() - beginMs);
    }
    loads += made.loads.length;
  }
  if (world.index.ready.size < queued * 0.9)
    throw new Error(`the queue has shrunk to ${world.index.ready.size}`);
  return { ms, forecastMs, bytesPerTask, loads };
};

const FLAGS = nodeFlagsOf('scheduler');
if (!FLAGS.every((flag) => process.execArgv.includes(flag)))
  throw new Error(
    `Start it as the scheduler is: node ${FLAGS.join(' ')} ${process.argv[1]}; npm run bench:decision does.`,
  );

const SIZES = { '1k': 1_000, '10k': 10_000, '100k': 100_000 } as const;

const figures: Record<string, number> = { decisions: DECISIONS, servers: SERVERS, models: MODELS };
let bytesPerTask = Number.NaN;
for (const [name, queued] of Object.entries(SIZES)) {
  const found = measured(queued);
  figures[`msP50At${name}`] = round(percentile(found.ms, 0.5), 4);
  figures[`msP99At${name}`] = round(percentile(found.ms, 0.99), 4);
  figures[`msMaxAt${name}`] = round(percentile(found.ms, 1), 3);
  figures[`forecastMsP50At${name}`] = round(percentile(found.forecastMs, 0.5), 3);
  figures[`forecastMsP99At${name}`] = round(percentile(found.forecastMs, 0.99), 3);
  figures[`loadsAt${name}`] = found.loads;
  bytesPerTask = found.bytesPerTask;
}
report('decision', { ...figures, bytesPerQueuedTask: Math.round(bytesPerTask) } satisfies Figures, {});
