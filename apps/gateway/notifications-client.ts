import type { NatsConnection } from '@nats-io/transport-node';
import type {
  ChannelsReply,
  DeliveriesReply,
  DeliveriesRequest,
  DeliveryReply,
} from '#libs/contracts/notify-rpc.js';
import { RPC } from '#libs/contracts/subjects.js';
import type { Failure } from '#libs/domain/errors.js';
import type { Delivery } from '#libs/domain/notify/delivery.js';
import { rpcRequest } from '#libs/runtime/rpc-client.js';
import { ApiError } from './http/problem.js';

/** Answered from memory, or after one look into the store. */
const TIMEOUT_MS = 5_000;

/** Asks the notifier that leads. */
export class NotificationsClient {
  constructor(private readonly connection: NatsConnection) {}

  async deliveries(request: DeliveriesRequest): Promise<DeliveriesReply & { readonly ok: true }> {
    return accepted(await this.#ask<DeliveriesReply>(RPC.deliveries, request));
  }

  async delivery(id: string): Promise<Delivery> {
    return accepted(await this.#ask<DeliveryReply>(RPC.delivery, { id })).delivery;
  }

  async resend(id: string): Promise<Delivery> {
    return accepted(await this.#ask<DeliveryReply>(RPC.resendDelivery, { id })).delivery;
  }

  async test(channel: string): Promise<Delivery> {
    return accepted(await this.#ask<DeliveryReply>(RPC.testChannel, { channel })).delivery;
  }

  async channels(): Promise<ChannelsReply> {
    return await this.#ask<ChannelsReply>(RPC.channels, {});
  }

  async #ask<R>(subject: string, request: object): Promise<R> {
    return await rpcRequest<R>(this.connection, subject, request, TIMEOUT_MS);
  }
}

type Refusable = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

const accepted = <R extends Refusable>(reply: R): R & { readonly ok: true } => {
  if (!reply.ok) throw ApiError.of(reply.failure);
  return reply as R & { readonly ok: true };
};
