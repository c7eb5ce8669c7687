import { NoRespondersError, RequestError, TimeoutError, type NatsConnection } from '@nats-io/transport-node';

/** Nobody answered in time, or nobody is there. The caller may ask again. */
export class RpcUnavailableError extends Error {
  override readonly name = 'RpcUnavailableError';
}

/** Asks and parses. JSON in, JSON out; every request has a time limit. */
export const rpcRequest = async <Reply>(
  connection: NatsConnection,
  subject: string,
  request: unknown,
  timeoutMs: number,
): Promise<Reply> => {
  try {
    const message = await connection.request(subject, JSON.stringify(request), { timeout: timeoutMs });
    return message.json<Reply>();
  } catch (error) {
    const nobody =
      error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
    if (nobody) throw new RpcUnavailableError(`${subject}: nobody answers`, { cause: error });
    if (error instanceof TimeoutError) {
      throw new RpcUnavailableError(`${subject}: no answer within ${timeoutMs} ms`, { cause: error });
    }
    throw new RpcUnavailableError(`${subject}: ${String(error)}`, { cause: error });
  }
};
