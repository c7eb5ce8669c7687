import { DriverException } from '@mikro-orm/core';
import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { QueryReply, QueryRequest } from '#libs/contracts/queries.js';
import { STREAMS } from '#libs/contracts/streams.js';
import type { Failure } from '#libs/domain/errors.js';
import type { Logger } from '#libs/runtime/logger.js';
import { Task } from '../database/entities.js';
import { readCheckpoint, type Included } from '../follow/checkpoint.js';
import { NotServingError } from '../read-gate.js';
import type { ReadModel } from '../read-model.js';
import { fitted, REPLY_MAX_BYTES } from './fit.js';
import { artifactNamed, artifactsOf } from './artifacts.query.js';
import { itemPage } from './items.query.js';
import { leasesOf } from './leases.query.js';
import { QueryFailure } from './query-failure.js';
import { parseQuery } from './query-request.js';
import { statusCounts } from './status-counts.query.js';
import { taskPage } from './task-page.query.js';
import { readTaskViews } from './task.reader.js';
import { workflowPage, workflowView } from './workflow.query.js';

/** Longest wait for `atLeastSeq`. A projection that gets on needs milliseconds; one that does not is said to lag. */
const WAIT_MAX_MS = 1_000;

/** Answers queries. Never throws: what goes wrong is an answer, too. */
export class QueryService {
  constructor(
    private readonly readModel: ReadModel,
    private readonly logger: Logger,
  ) {}

  async answer(data: unknown): Promise<QueryReply> {
    try {
      const request = parseQuery(data);
      await this.#untilIncluded(request.atLeastSeq ?? 0);
      return await this.readModel.read(async (em) => {
        const included = await readCheckpoint(em, STREAMS.tasks.name);
        return { ok: true, value: await valueOf(em, request, included), seq: included.seq };
      });
    } catch (error) {
      return { ok: false, failure: this.#failureOf(error) };
    }
  }

  async #untilIncluded(seq: number): Promise<void> {
    if (await this.readModel.includes(seq, WAIT_MAX_MS)) return;
    const at = this.readModel.includedSeq;
    throw new QueryFailure(
      'SERVICE_UNAVAILABLE',
      `The answers include everything up to ${at}, and ${seq} was asked for: ${seq - at} events are missing after ${WAIT_MAX_MS} ms. Ask again.`,
      { seq: at, atLeastSeq: seq, lag: seq - at },
    );
  }

  #failureOf(error: unknown): Failure {
    if (error instanceof QueryFailure) return error.failure;
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof NotServingError) return { code: 'SERVICE_UNAVAILABLE', message };
    this.logger.error({ error: message }, 'query failed');
    return error instanceof DriverException
      ? { code: 'SERVICE_UNAVAILABLE', message: 'The database of the read model did not answer. Ask again.' }
      : { code: 'INTERNAL', message: 'The query could not be answered; the log of results says why.' };
  }
}

const valueOf = async (em: SqlEntityManager, request: QueryRequest, included: Included): Promise<unknown> => {
  switch (request.kind) {
    case 'task': {
      const [view] = await readTaskViews(em, [await seqOf(em, request.taskId)]);
      return view && fitted(view, REPLY_MAX_BYTES);
    }
    case 'tasks':
      return taskPage(em, request.filter, request.page, included);
    case 'workflow':
      return await workflowView(em, request.workflowId);
    case 'workflows':
      return await workflowPage(em, request.filter, request.page, included);
    case 'status-counts':
      return statusCounts(em, request.filter);
    case 'leases':
      await seqOf(em, request.taskId);
      return leasesOf(em, request.taskId);
    case 'artifacts':
      await seqOf(em, request.taskId);
      return await artifactsOf(em, request.taskId);
    case 'artifact':
      return await artifactNamed(em, request.taskId, request.name);
    case 'items':
      return await itemPage(em, request, included);
  }
};

const seqOf = async (em: SqlEntityManager, id: string): Promise<number> => {
  const task = await em.findOne(Task, { id }, { fields: ['seq'], disableIdentityMap: true });
  if (task) return task.seq;
  throw new QueryFailure('TASK_UNKNOWN', `There is no task '${id}'.`, { taskId: id });
};
