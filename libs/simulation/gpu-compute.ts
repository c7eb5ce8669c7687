import { batchThroughput } from './batching.js';
import type { Gpu, SimModel } from './hardware.js';
import { generateTokensPerS, promptTokensPerS } from './speeds.js';
import type { VirtualClock } from './virtual-clock.js';

/** What a request asks of the GPU. */
export type Work = { readonly promptTokens: number; readonly outputTokens: number };

type Job = Work & { readonly model: SimModel; readonly done: () => void };

/** A prompt that waits or is being read. */
type Prompt = { readonly job: Job; readonly tokensPerMs: number; leftTokens: number };

/** The requests of one model that generate. All of them advance alike, so one counter serves all. */
type Batch = {
  readonly tokensPerMs: number;
  /** Tokens that a request has generated that was there from the start of the batch, and its share of the GPU's time. */
  tokens: number;
  shareMs: number;
  readonly members: Member[];
};
type Member = { readonly job: Job; readonly endsAtTokens: number; readonly fromShareMs: number };

/**
 * The arithmetic of one GPU, by processor sharing. At each moment it is shared equally among its streams: the prompts,
 * which are read one after the other in order of arrival, are one stream while there are any, and each model that
 * generates for at least one request is one. With S streams a prompt is read at the model's speed / S, and each of n
 * requests of a model generates at the model's speed · batchThroughput(n) / n / S. So a GPU never does more than one
 * second's work in a second, whatever runs beside what. Time moves only from one change of the streams to the next.
 */
export class GpuCompute {
  readonly #prompts: Prompt[] = [];
  readonly #batches = new Map<string, Batch>();
  #advancedAtMs = 0;
  #busyMs = 0;
  #cancelNext = (): void => {};

  constructor(
    private readonly clock: VirtualClock,
    private readonly gpu: Gpu,
  ) {}

  /** Time so far in which at least one request was computing. */
  get busyMs(): number {
    this.#advance();
    return this.#busyMs;
  }

  /** The returned function aborts; an aborted request does not call `done`, and its share is free at once. */
  start(model: SimModel, work: Work, done: () => void): () => void {
    const job: Job = { ...work, model, done };
    this.#advance();
    if (job.promptTokens > 0) {
      this.#prompts.push({
        job,
        tokensPerMs: this.#promptTokensPerMs(job),
        leftTokens: job.promptTokens,
      });
    } else {
      this.#generate(job);
    }
    this.#expectNext();
    return () => this.#abort(job);
  }

  /** Every request ends without its `done`. The GPU's time that they had been given, in milliseconds. */
  stop(): number {
    this.#advance();
    const prompts = this.#prompts.splice(0);
    let spentMs = prompts.reduce((sum, prompt) => sum + readMs(prompt), 0);
    for (const { members, shareMs } of this.#batches.values())
      for (const { job, fromShareMs } of members)
        spentMs += shareMs - fromShareMs + job.promptTokens / this.#promptTokensPerMs(job);
    this.#batches.clear();
    this.#expectNext();
    return spentMs;
  }

  #promptTokensPerMs({ model }: Job): number {
    return promptTokensPerS(this.gpu, model) / 1_000;
  }

  get #streams(): number {
    return this.#batches.size + (this.#prompts.length > 0 ? 1 : 0);
  }

  #advance(): void {
    const elapsedMs = this.clock.nowMs - this.#advancedAtMs;
    const streams = this.#streams;
    this.#advancedAtMs = this.clock.nowMs;
    if (streams === 0 || elapsedMs === 0) return;
    this.#busyMs += elapsedMs;
    const ownMs = elapsedMs / streams;
    const [prompt] = this.#prompts;
    if (prompt) prompt.leftTokens -= prompt.tokensPerMs * ownMs;
    for (const batch of this.#batches.values()) {
      batch.tokens += ownMs * tokensPerMsEach(batch);
      batch.shareMs += ownMs / batch.members.length;
    }
  }

  /** Sets the one event at which the next prompt or answer is complete. */
  #expectNext(): void {
    this.#cancelNext();
    const streams = this.#streams;
    if (streams === 0) return;
    const [prompt] = this.#prompts;
    let ownMs = Infinity;
    let finish = (): void => {};
    if (prompt) {
      ownMs = prompt.leftTokens / prompt.tokensPerMs;
      finish = () => this.#promptRead(prompt);
    }
    for (const batch of this.#batches.values()) {
      const first = firstToEnd(batch);
      const leftMs = (first.endsAtTokens - batch.tokens) / tokensPerMsEach(batch);
      if (leftMs >= ownMs) continue;
      ownMs = leftMs;
      finish = () => this.#finish(first.job);
    }
    this.#cancelNext = this.clock.after(ownMs * streams, finish);
  }

  #promptRead({ job }: Prompt): void {
    this.#advance();
    this.#prompts.shift();
    if (job.outputTokens > 0) this.#generate(job);
    this.#expectNext();
    if (job.outputTokens <= 0) job.done();
  }

  #finish(job: Job): void {
    this.#advance();
    this.#remove(job);
    this.#expectNext();
    job.done();
  }

  #abort(job: Job): void {
    this.#advance();
    this.#remove(job);
    this.#expectNext();
  }

  #generate(job: Job): void {
    const { model } = job.model;
    const known = this.#batches.get(model);
    const batch = known ?? {
      tokensPerMs: generateTokensPerS(this.gpu, job.model) / 1_000,
      tokens: 0,
      shareMs: 0,
      members: [],
    };
    batch.members.push({
      job,
      endsAtTokens: batch.tokens + job.outputTokens,
      fromShareMs: batch.shareMs,
    });
    if (known === undefined) this.#batches.set(model, batch);
  }

  #remove(job: Job): void {
    const prompt = this.#prompts.findIndex((other) => other.job === job);
    if (prompt >= 0) this.#prompts.splice(prompt, 1);
    const batch = this.#batches.get(job.model.model);
    const member = batch?.members.findIndex((other) => other.job === job) ?? -1;
    if (batch === undefined || member < 0) return;
    batch.members.splice(member, 1);
    if (batch.members.length === 0) this.#batches.delete(job.model.model);
  }
}

const readMs = ({ job, tokensPerMs, leftTokens }: Prompt): number =>
  (job.promptTokens - leftTokens) / tokensPerMs;

const tokensPerMsEach = ({ tokensPerMs, members }: Batch): number =>
  (tokensPerMs * batchThroughput(members.length)) / members.length;

const firstToEnd = ({ members }: Batch): Member =>
  members.reduce((first, member) => (member.endsAtTokens < first.endsAtTokens ? member : first));
