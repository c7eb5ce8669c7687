import type { NatsConnection } from '@nats-io/transport-node';
import type { ExplainReply, QueueReply } from '#libs/contracts/explain.js';
import type { HealthReport } from '#libs/contracts/health.js';
import type {
  DrainRequest,
  PutServerRequest,
  RemoveServerReply,
  RemoveServerRequest,
  ServerReply,
  ServerView,
} from '#libs/contracts/lease-rpc.js';
import type {
  ScheduleListReply,
  ScheduleListRequest,
  ScheduleReply,
  ScheduleState,
} from '#libs/contracts/schedule-queries.js';
import type {
  InboxReply,
  InboxRequest,
  QuestionReply,
  QuestionRequest,
} from '#libs/contracts/inbox-queries.js';
import type { Failure } from '#libs/domain/errors.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import type { Pause } from '#libs/domain/task/pauses.js';
import { RPC, SERVICES, type ServiceName } from '#libs/contracts/subjects.js';
import { ApiError } from './http/problem.js';
import { rpcRequest } from '#libs/runtime/rpc-client.js';

/** A service answers from memory; one that needs longer does not get on. */
const HEALTH_TIMEOUT_MS = 1_000;
const SERVERS_TIMEOUT_MS = 2_000;
const EXPLAIN_TIMEOUT_MS = 2_000;

export type PlatformHealth = {
  readonly ready: boolean;
  readonly services: Readonly<Record<ServiceName, HealthReport | Silent>>;
};
type Silent = { readonly ready: false; readonly reasons: readonly string[] };

/** Asks the other services how they are and what they hold. */
export class PlatformClient {
  constructor(private readonly connection: NatsConnection) {}

  async servers(): Promise<readonly ServerView[]> {
    return await rpcRequest<readonly ServerView[]>(this.connection, RPC.listServers, {}, SERVERS_TIMEOUT_MS);
  }

  async drain(serverId: string, drain: boolean): Promise<ServerView> {
    const request: DrainRequest = { serverId, drain };
    const reply = await rpcRequest<ServerReply>(
      this.connection,
      RPC.drainServer,
      request,
      SERVERS_TIMEOUT_MS,
    );
    return accepted(reply).server;
  }

  async putServer(server: ServerSpec): Promise<ServerReply & { readonly ok: true }> {
    const request: PutServerRequest = { server };
    return accepted(
      await rpcRequest<ServerReply>(this.connection, RPC.putServer, request, SERVERS_TIMEOUT_MS),
    );
  }

  async removeServer(serverId: string): Promise<void> {
    const request: RemoveServerRequest = { serverId };
    accepted(
      await rpcRequest<RemoveServerReply>(this.connection, RPC.removeServer, request, SERVERS_TIMEOUT_MS),
    );
  }

  async explain(taskId: string): Promise<ExplainReply> {
    return await rpcRequest<ExplainReply>(this.connection, RPC.explain, { taskId }, EXPLAIN_TIMEOUT_MS);
  }

  async queue(limit: number): Promise<QueueReply> {
    return await rpcRequest<QueueReply>(this.connection, RPC.queue, { limit }, EXPLAIN_TIMEOUT_MS);
  }

  async pauses(): Promise<readonly Pause[]> {
    return await rpcRequest<readonly Pause[]>(this.connection, RPC.pauses, {}, EXPLAIN_TIMEOUT_MS);
  }

  async schedules(request: ScheduleListRequest): Promise<ScheduleListReply> {
    return await rpcRequest<ScheduleListReply>(this.connection, RPC.schedules, request, EXPLAIN_TIMEOUT_MS);
  }

  /** With so many of its next due times. */
  async schedule(scheduleId: string, next: number): Promise<ScheduleState> {
    const request = { scheduleId, next };
    return accepted(
      await rpcRequest<ScheduleReply>(this.connection, RPC.schedule, request, EXPLAIN_TIMEOUT_MS),
    ).schedule;
  }

  async inbox(request: InboxRequest): Promise<InboxReply> {
    return await rpcRequest<InboxReply>(this.connection, RPC.inbox, request, EXPLAIN_TIMEOUT_MS);
  }

  async question(request: QuestionRequest): Promise<QuestionReply> {
    return await rpcRequest<QuestionReply>(this.connection, RPC.question, request, EXPLAIN_TIMEOUT_MS);
  }

  async health(): Promise<PlatformHealth> {
    const reports = await Promise.all(
      SERVICES.map(async (service) => [service, await this.#one(service)] as const),
    );
    return {
      ready: reports.every(([, { ready }]) => ready),
      services: Object.fromEntries(reports) as PlatformHealth['services'],
    };
  }

  async #one(service: ServiceName): Promise<HealthReport | Silent> {
    try {
      return await rpcRequest<HealthReport>(this.connection, RPC.health(service), {}, HEALTH_TIMEOUT_MS);
    } catch (error) {
      return { ready: false, reasons: [error instanceof Error ? error.message : String(error)] };
    }
  }
}

type Refusable = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

const accepted = <R extends Refusable>(reply: R): R & { readonly ok: true } => {
  if (!reply.ok) throw ApiError.of(reply.failure);
  return reply as R & { readonly ok: true };
};
