import { batchThroughput } from '#libs/simulation/batching.js';
import type { Hardware, SimServer } from '#libs/simulation/hardware.js';
import { vramBytesOf } from '#libs/simulation/hardware.js';
import { pick, seededRandom, type Random } from '#libs/simulation/random.js';
import type { RunRecord, TaskRun } from '#libs/simulation/run-record.js';
import { modelSpeeds } from '#libs/simulation/speeds.js';
import type { SimTask, Trace } from '#libs/simulation/trace.js';

/** The shortest that a server ever needs; lower bounds have to hold for these. */
const SPAWN_MS = 500;
const UNLOAD_MS = 700;
/** Events after which a run counts as stuck. */
const EVENTS_MAX = 100_000;

type Running = {
  readonly task: SimTask;
  readonly readyAtMs: number;
  readonly startedAtMs: number;
  promptLeft: number;
  outputLeft: number;
};
type Resident = { state: 'loading' | 'loaded' | 'unloading'; leftMs: number };
type GpuState = {
  readonly server: SimServer;
  readonly residents: Map<string, Resident>;
  /** First come, first served for their prompts. */
  running: Running[];
  busyMs: number;
};

/**
 * Runs a trace by decisions drawn at random, on GPUs that share their time between streams: one for prompts, one
 * for each model that generates. Written apart from what is tested with it: plain steps from one event to the next,
 * no bounds in mind. Every start that is possible is made at once; what is loaded and unloaded where is chance.
 */
export const runAtRandom = (trace: Trace, hardware: Hardware, seed: number): RunRecord =>
  new RandomRun(trace, hardware, seededRandom(seed)).run();

class RandomRun {
  private nowMs = 0;
  private loads = 0;
  private readonly ended = new Map<string, TaskRun>();
  private readonly inMemory = new Set<string>();
  private waiting: SimTask[];
  private readonly gpus: readonly GpuState[];

  constructor(
    private readonly trace: Trace,
    private readonly hardware: Hardware,
    private readonly random: Random,
  ) {
    this.waiting = [...trace.tasks];
    this.gpus = hardware.servers.map((server) => ({ server, residents: new Map(), running: [], busyMs: 0 }));
  }

  run(): RunRecord {
    for (let events = 0; this.ended.size < this.trace.tasks.length; events += 1) {
      if (events > EVENTS_MAX) throw new Error(`${this.trace.name}: stuck at ${this.nowMs} ms`);
      this.startWhatCan();
      for (const gpu of this.gpus) this.changeModels(gpu);
      this.advance(this.nextEventMs());
    }
    return {
      scheduler: 'random',
      tasks: [...this.ended.values()],
      loads: this.loads,
      overcommits: 0,
      busyMs: new Map(this.gpus.map(({ server, busyMs }) => [server.serverId, busyMs])),
    };
  }

  private readyAtMs({ atMs, after }: SimTask): number {
    return Math.max(atMs, ...after.map((id) => this.ended.get(id)?.endedAtMs ?? Infinity));
  }

  private ready(): readonly SimTask[] {
    return this.waiting.filter((task) => this.readyAtMs(task) <= this.nowMs);
  }

  private startWhatCan(): void {
    for (const task of this.ready()) {
      const free = this.gpus.filter(
        ({ server, residents, running }) =>
          residents.get(task.model)?.state === 'loaded' &&
          running.filter((one) => one.task.model === task.model).length < server.slots,
      );
      if (free.length === 0) continue;
      pick(this.random, free).running.push({
        task,
        readyAtMs: this.readyAtMs(task),
        startedAtMs: this.nowMs,
        promptLeft: task.promptTokens,
        outputLeft: task.outputTokens,
      });
      this.waiting = this.waiting.filter((one) => one !== task);
    }
  }

  /** One load or unload at a time; whatever idles may go. */
  private changeModels(gpu: GpuState): void {
    const { server, residents, running } = gpu;
    if ([...residents.values()].some(({ state }) => state !== 'loaded')) return;
    const bytesOf = (name: string): number => vramBytesOf(this.model(name), server.slots);
    const wanted = [...new Set(this.ready().map(({ model }) => model))].filter(
      (name) => !residents.has(name) && bytesOf(name) <= server.gpu.vramBytes,
    );
    if (wanted.length === 0) return;
    const name = pick(this.random, wanted);
    const isElsewhere = this.gpus.some((other) => other.residents.has(name));
    if (isElsewhere && this.random() < 0.7) return;
    const usedBytes = [...residents.keys()].reduce((sum, one) => sum + bytesOf(one), 0);
    if (usedBytes + bytesOf(name) <= server.gpu.vramBytes) {
      const { diskBytesPerS, warmBytesPerS } = this.hardware.host;
      const bytesPerS = this.inMemory.has(name) ? warmBytesPerS : diskBytesPerS;
      const leftMs = SPAWN_MS + (this.model(name).weightBytes / bytesPerS) * 1000;
      residents.set(name, { state: 'loading', leftMs });
      this.loads += 1;
      return;
    }
    const idle = [...residents].filter(([one]) => running.every(({ task }) => task.model !== one));
    if (idle.length > 0) Object.assign(pick(this.random, idle)[1], { state: 'unloading', leftMs: UNLOAD_MS });
  }

  private model(name: string) {
    const found = this.trace.models.find(({ model }) => model === name);
    if (found === undefined) throw new Error(`no model ${name}`);
    return found;
  }

  /** Tokens per millisecond of everything that computes on a GPU. */
  private rates({ server, running }: GpuState): ReadonlyMap<Running, number> {
    const prompt = running.find(({ promptLeft }) => promptLeft > 0);
    const generating = Map.groupBy(
      running.filter(({ promptLeft }) => promptLeft <= 0),
      ({ task }) => task.model,
    );
    const streams = generating.size + (prompt ? 1 : 0);
    const rates = new Map<Running, number>();
    for (const [name, group] of generating) {
      const alone = modelSpeeds(server.gpu, this.model(name)).generateTokensPerS / 1000;
      for (const one of group)
        rates.set(one, (alone * batchThroughput(group.length)) / group.length / streams);
    }
    if (prompt) {
      const alone = modelSpeeds(server.gpu, this.model(prompt.task.model)).promptTokensPerS / 1000;
      rates.set(prompt, alone / streams);
    }
    return rates;
  }

  private nextEventMs(): number {
    const moments = this.waiting.map(({ atMs }) => atMs).filter((atMs) => atMs > this.nowMs);
    for (const gpu of this.gpus) {
      for (const { state, leftMs } of gpu.residents.values())
        if (state !== 'loaded') moments.push(this.nowMs + leftMs);
      for (const [one, rate] of this.rates(gpu))
        moments.push(this.nowMs + (one.promptLeft > 0 ? one.promptLeft : one.outputLeft) / rate);
    }
    // With nothing under way and nothing to come, a model that chance passed over is asked for again a little later.
    return Math.min(...moments, moments.length > 0 ? Infinity : this.nowMs + 1);
  }

  private advance(untilMs: number): void {
    const stepMs = untilMs - this.nowMs;
    this.nowMs = untilMs;
    for (const gpu of this.gpus) {
      const rates = this.rates(gpu);
      if (rates.size > 0) gpu.busyMs += stepMs;
      for (const [one, rate] of rates) {
        const part = one.promptLeft > 0 ? 'promptLeft' : 'outputLeft';
        one[part] = leftAfter(one[part], rate * stepMs);
      }
      for (const [name, resident] of gpu.residents) this.advanceResident(gpu, name, resident, stepMs);
      for (const { task, readyAtMs, startedAtMs } of gpu.running.filter(isDone))
        this.ended.set(task.id, {
          id: task.id,
          serverId: gpu.server.serverId,
          readyAtMs,
          startedAtMs,
          endedAtMs: untilMs,
          startBoundMs: null,
          predictedMs: null,
        });
      gpu.running = gpu.running.filter((one) => !isDone(one));
    }
  }

  private advanceResident(gpu: GpuState, name: string, resident: Resident, stepMs: number): void {
    if (resident.state === 'loaded') return;
    resident.leftMs = leftAfter(resident.leftMs, stepMs);
    if (resident.leftMs > 0) return;
    if (resident.state === 'unloading') gpu.residents.delete(name);
    else {
      resident.state = 'loaded';
      this.inMemory.add(name);
    }
  }
}

const isDone = ({ promptLeft, outputLeft }: Running): boolean => promptLeft <= 0 && outputLeft <= 0;
/** Less than this is what rounding left of nothing. */
const leftAfter = (left: number, done: number): number => (left - done < 1e-7 ? 0 : left - done);
