import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { isObservable, lastValueFrom } from 'rxjs';
import type { Logger } from './logger.js';
import { NotLeadingError } from './not-leading-error.js';

/**
 * Request and reply over core NATS as a Nest transport: `@MessagePattern(RPC.x)` methods of a controller get the
 * parsed JSON and answer with JSON. Only for requests between services; facts and commands go through JetStream.
 *
 * A handler that throws sends no reply: the caller's time limit decides, as it does when a service is gone.
 */
export class RpcServer extends Server implements CustomTransportStrategy {
  override readonly transportId = Symbol('orchestra-rpc');
  readonly #subscriptions: Subscription[] = [];
  readonly #pending = new Set<Promise<void>>();

  constructor(
    private readonly connection: NatsConnection,
    private readonly log: Logger,
  ) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    for (const [subject, handler] of this.messageHandlers) {
      const subscription = this.connection.subscribe(subject, {
        callback: (error, message) => {
          if (error) this.log.error({ subject, error: String(error) }, 'subscription failed');
          else this.#track(this.#answer(subject, handler, message));
        },
      });
      this.#subscriptions.push(subscription);
    }
    callback();
  }

  async close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    await Promise.allSettled(this.#pending);
  }

  on(): void {
    // The connection is made and watched by connectBroker; there is nothing of its own to listen to.
  }

  unwrap<T>(): T {
    return this.connection as T;
  }

  #track(work: Promise<void>): void {
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  async #answer(
    subject: string,
    handler: (data: unknown, context?: unknown) => Promise<unknown>,
    message: Msg,
  ): Promise<void> {
    try {
      const data = message.data.length === 0 ? {} : message.json<unknown>();
      const reply = await handler(data, message);
      const value = isObservable(reply) ? await lastValueFrom(reply) : reply;
      message.respond(JSON.stringify(value));
    } catch (error) {
      // A stand-by hears what the leader hears; its silence is right.
      if (error instanceof NotLeadingError) return;
      this.log.error({ subject, error: String(error) }, 'request failed');
    }
  }
}
