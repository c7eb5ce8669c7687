import type { PastExplainAnswer, PastExplainReply, PastExplainRequest } from '#libs/contracts/explain.js';
import { isId } from '#libs/domain/ids.js';
import { msOf } from '#libs/domain/time.js';
import { LogUnavailableError } from '#libs/event-log/event-log.js';
import { eventAt, seqAtTime } from '#libs/event-log/log-at.js';
import type { Logger } from '#libs/runtime/logger.js';
import { Task } from '../database/entities.js';
import { QueryFailure } from '../query/query-failure.js';
import { NotServingError } from '../read-gate.js';
import type { ReadModel } from '../read-model.js';
import { ModelSizes } from './model-sizes.js';
import { NotThereYetError, PastState, type PastSources } from './past-state.js';
import { explainThen } from './past-view.js';

/** One is worked on at a time; so many others wait for their turn, and not for long. */
const WAITING_MAX = 4;
const WAIT_MAX_MS = 3_000;

/** Reading the log for one request. What was folded by then is kept for the next one. */
const READ_MAX_MS = 8_000;

/** A fold that nobody has asked for so long is given back. */
const KEPT_MS = 300_000;

const INCLUDED_MAX_MS = 1_000;

export type PastExplainerOptions = PastSources & {
  readonly readModel: Pick<ReadModel, 'read' | 'includes'>;
  readonly logger: Logger;
};

type Found = {
  readonly seq: number;
  readonly lastSeq: number;
  readonly status: string;
  readonly createdAt: string;
  readonly endedAt: string | null;
};
type Moment = { readonly atMs: number; readonly tasksSeq: number };

/** Explains moments of the past. It reads the logs here, where no decision waits for it. Never throws: what goes wrong is an answer. */
export class PastExplainer {
  readonly #sizes: ModelSizes;
  #state: PastState | null = null;
  #forget: ReturnType<typeof setTimeout> | undefined;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(private readonly options: PastExplainerOptions) {
    this.#sizes = new ModelSizes(options.logs.leases);
  }

  async answer(data: unknown): Promise<PastExplainAnswer> {
    try {
      const request = parsed(data);
      const found = await this.#find(request);
      return { ok: true, reply: await this.#inTurn(() => this.#explain(request, found)) };
    } catch (error) {
      return { ok: false, failure: this.#failureOf(error) };
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#forget);
    await this.#turn.catch(() => undefined);
  }

  async #find({ taskId, atLeastSeq = 0 }: PastExplainRequest): Promise<Found> {
    const { readModel } = this.options;
    if (!(await readModel.includes(atLeastSeq, INCLUDED_MAX_MS)))
      throw new QueryFailure('SERVICE_UNAVAILABLE', 'The read model is behind the log. Ask again.');
    const fields = ['seq', 'lastSeq', 'status', 'createdAt', 'endedAt'] as const;
    const task = await readModel.read((em) =>
      em.findOne(Task, { id: taskId }, { fields, disableIdentityMap: true }),
    );
    if (task) return { ...task, endedAt: task.endedAt ?? null };
    throw new QueryFailure('TASK_UNKNOWN', `There is no task '${taskId}'.`, { taskId });
  }

  /** One after the other. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) throw busy();
    this.#waiting += 1;
    const before = this.#turn;
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const mine = Promise.withResolvers<void>();
    this.#turn = before.then(() => {
      begin();
      return mine.promise;
    });
    try {
      await withinWait(begun);
      if (this.#stopped) throw new QueryFailure('SERVICE_UNAVAILABLE', 'Results is being stopped.');
      return await work();
    } finally {
      this.#waiting -= 1;
      mine.resolve();
    }
  }

  async #explain({ taskId, at }: PastExplainRequest, found: Found): Promise<PastExplainReply> {
    const { tasks, leases } = this.options.logs;
    const moment = await this.#momentOf(at);
    const { atMs, tasksSeq } = moment;
    if (tasksSeq < found.seq)
      return { kind: 'not-submitted', seq: tasksSeq, atMs, submittedAtMs: msOf(found.createdAt) };
    if (found.endedAt !== null && tasksSeq >= found.lastSeq && isOver(found.status))
      return { kind: 'over', seq: tasksSeq, atMs, status: found.status, endedAtMs: msOf(found.endedAt) };
    const limit = AbortSignal.timeout(READ_MAX_MS);
    const state = this.#kept();
    try {
      await state.moveTo({ tasksSeq, leasesSeq: await seqAtTime(leases, atMs) }, limit);
      await this.#sizes.read(limit);
    } catch (error) {
      // Half an event may be in it.
      if (!(error instanceof NotThereYetError)) this.#state = null;
      throw error;
    }
    const reply = await explainThen(state, this.#sizes.bytes, { taskId, atMs });
    if (reply.kind === 'unknown') throw new Error(`task '${taskId}' is not in ${tasks.name} at ${tasksSeq}`);
    return reply;
  }

  async #momentOf(at: PastExplainRequest['at']): Promise<Moment> {
    const { tasks } = this.options.logs;
    if ('timeMs' in at) return { atMs: at.timeMs, tasksSeq: await seqAtTime(tasks, at.timeMs) };
    const { lastSeq } = await tasks.tail();
    const event = at.seq <= lastSeq ? await eventAt(tasks, at.seq) : null;
    if (event !== null) return { atMs: msOf(event.time), tasksSeq: at.seq };
    const message = `at '${at.seq}' is behind the end of the log; expected a time, or a sequence from 1 to ${lastSeq}.`;
    throw new QueryFailure('VALIDATION_FAILED', message, { at: at.seq, lastSeq });
  }

  #kept(): PastState {
    clearTimeout(this.#forget);
    this.#forget = setTimeout(() => (this.#state = null), KEPT_MS).unref();
    this.#state ??= new PastState(this.options);
    return this.#state;
  }

  #failureOf(error: unknown) {
    if (error instanceof QueryFailure) return error.failure;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof NotThereYetError) {
      const { at, target } = error;
      return {
        code: 'PAST_UNREAD',
        message: `The log was read for ${READ_MAX_MS / 1_000} s, up to event ${at} of the ${target} until that moment. What was read is kept: ask again, and it goes on from there.`,
        details: { seq: at, until: target },
      } as const;
    }
    if (error instanceof NotServingError || error instanceof LogUnavailableError)
      return { code: 'SERVICE_UNAVAILABLE', message } as const;
    this.options.logger.error({ error: message }, 'a moment of the past could not be explained');
    return {
      code: 'INTERNAL',
      message: 'That moment could not be explained; the log of results says why.',
    } as const;
  }
}

const busy = (): QueryFailure =>
  new QueryFailure(
    'RATE_LIMITED',
    `One moment of the past is explained at a time, ${WAITING_MAX} requests may wait, for ${WAIT_MAX_MS / 1_000} s. Ask again.`,
  );

const withinWait = async (begun: Promise<void>): Promise<void> => {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(busy()), WAIT_MAX_MS);
  try {
    await Promise.race([begun, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

const isOver = (status: string): status is 'completed' | 'failed' | 'cancelled' =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** Checked again here: whoever may ask on the broker is not only the gateway. */
const parsed = (data: unknown): PastExplainRequest => {
  const { taskId, at, atLeastSeq } = (data ?? {}) as Readonly<Record<string, unknown>>;
  const { timeMs, seq } = (at ?? {}) as Readonly<Record<string, unknown>>;
  const isGiven = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  if (typeof taskId === 'string' && isId(taskId)) {
    const request = { taskId, ...(isGiven(atLeastSeq) ? { atLeastSeq } : {}) };
    if (isGiven(timeMs)) return { ...request, at: { timeMs } };
    if (isGiven(seq) && seq > 0) return { ...request, at: { seq } };
  }
  const message = `the request is ${JSON.stringify(data)}; expected taskId, and at with timeMs or seq`;
  throw new QueryFailure('VALIDATION_FAILED', message);
};
