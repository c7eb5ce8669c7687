import type { NatsConnection } from '@nats-io/transport-node';
import type { PastExplainAnswer, PastExplainReply, PastExplainRequest } from '#libs/contracts/explain.js';
import type { QueryReply, QueryRequest } from '#libs/contracts/queries.js';
import { RPC } from '#libs/contracts/subjects.js';
import { rpcRequest } from '#libs/runtime/rpc-client.js';
import { ApiError } from './http/problem.js';
import type { ToldPosition } from './told-position.js';

/** A moment of the past: the wait for its turn, and reading the log up to it. */
const PAST_TIMEOUT_MS = 13_000;

/** Results waits up to a second for its projection to catch up, and then for its database. */
const QUERY_TIMEOUT_MS = 5_000;

type Asked = QueryRequest extends infer Q ? (Q extends unknown ? Omit<Q, 'atLeastSeq'> : never) : never;

/** Asks the read model; what a client of this gateway has been told is always in the answer. */
export class ResultsClient {
  constructor(
    private readonly connection: NatsConnection,
    private readonly position: ToldPosition,
  ) {}

  async ask<T>(query: Asked): Promise<T> {
    const request = { ...query, atLeastSeq: this.position.seq };
    const reply = await rpcRequest<QueryReply>(this.connection, RPC.query, request, QUERY_TIMEOUT_MS);
    if (reply.ok) return reply.value as T;
    throw ApiError.of(reply.failure);
  }

  async explainPast(taskId: string, at: PastExplainRequest['at']): Promise<PastExplainReply> {
    const request: PastExplainRequest = { taskId, at, atLeastSeq: this.position.seq };
    const answer = await rpcRequest<PastExplainAnswer>(
      this.connection,
      RPC.explainPast,
      request,
      PAST_TIMEOUT_MS,
    );
    if (answer.ok) return answer.reply;
    throw ApiError.of(answer.failure);
  }
}
