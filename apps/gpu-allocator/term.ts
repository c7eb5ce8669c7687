import type { Failure } from '#libs/domain/errors.js';
import type {
  DrainRequest,
  PutServerRequest,
  RemoveServerReply,
  RemoveServerRequest,
  ServerReply,
  ServerView,
} from '#libs/contracts/lease-rpc.js';
import { configureServers, putServer, removeServer } from '#libs/domain/gpu/fleet.js';
import type { GpuEvent, ServerSpec } from '#libs/domain/gpu/events.js';
import {
  drainsDone,
  drainServer,
  resumeServer,
  toUnload,
  unknownServer,
  type ServerDecision,
} from '#libs/domain/gpu/drain.js';
import type { Ledger, Server } from '#libs/domain/gpu/gpu.js';
import { busySlots, freeBytes } from '#libs/domain/gpu/room.js';
import type { ServerId } from '#libs/domain/ids.js';
import { START, type EventLog, type LogPosition, type LogWriter } from '#libs/event-log/event-log.js';
import type { SnapshotKeeper } from '#libs/event-log/snapshot-keeper.js';
import type { ModelRunner } from '#libs/model-runner/model-runner.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { AllocatorConfig } from './allocator.config.js';
import { LeaseDesk } from './lease-desk.js';
import { Recorder } from './recorder.js';
import { ResidencyKeeper } from './residency-keeper.js';
import { ServerRecovery } from './server-recovery.js';
import { ServerWatch } from './server-watch.js';
import { ENDING_SUBJECTS, TaskFollower } from './task-follower.js';

export type TermOptions = {
  readonly ledger: Ledger;
  readonly writer: LogWriter;
  readonly tasks: EventLog;
  readonly servers: readonly ServerSpec[];
  readonly runnerFor: (spec: ServerSpec) => ModelRunner;
  readonly newResidencyId: () => string;
  readonly snapshots: SnapshotKeeper;
  readonly clock: Clock;
  readonly config: AllocatorConfig;
  readonly logger: Logger;
};

/** Expiry is looked for this often per time to live: late by at most a tenth of it. */
const EXPIRY_CHECKS_PER_TTL = 10;

/** One term of leadership over `LEASES`: grants, expiries, loads and the watch over the servers. */
export class Term {
  readonly desk: LeaseDesk;
  readonly keeper: ResidencyKeeper;
  readonly follower: TaskFollower;
  readonly #recorder: Recorder;
  readonly #watch: ServerWatch;
  readonly #runners = new Map<ServerId, ModelRunner>();
  readonly #stop = new AbortController();
  readonly #stopped = new Promise<Error>((resolve) => {
    this.#stop.signal.addEventListener('abort', () => resolve(new Error('stopped')), { once: true });
  });
  #expiry: ReturnType<typeof setInterval> | undefined;
  #following: Promise<void> = Promise.resolve();

  constructor(private readonly options: TermOptions) {
    const { ledger, writer, clock, config, logger } = options;
    const signal = this.#stop.signal;
    const runnerOf = (serverId: ServerId): ModelRunner => this.#runnerOf(serverId);
    this.#recorder = new Recorder(writer, ledger, clock);
    this.desk = new LeaseDesk(this.#recorder, clock, config.leaseTtlMs, logger);
    const onTrouble = (serverId: ServerId, failure: Failure): void => this.#watch.troubled(serverId, failure);
    this.keeper = new ResidencyKeeper({ ...options, recorder: this.#recorder, runnerOf, onTrouble, signal });
    this.follower = new TaskFollower(this.desk, (leaseId) => this.keeper.clear(leaseId), onTrouble);
    const shared = { recorder: this.#recorder, keeper: this.keeper, clock, runnerOf, logger, signal };
    const recovery = new ServerRecovery({ ...shared, pauseMs: config.probeEveryMs });
    this.#watch = new ServerWatch({ ...shared, recovery, probeEveryMs: config.probeEveryMs });
  }

  /** Resolves when the term is over, with the reason. */
  async run(): Promise<Error> {
    const { writer, config, ledger } = this.options;
    this.configure(this.options.servers);
    this.#settleHalfDone();
    const failed = new Promise<Error>((resolve) => {
      this.#following = this.#followTasks({ seq: ledger.positions.tasks, hash: '' }).catch((error: unknown) =>
        resolve(error instanceof Error ? error : new Error(String(error))),
      );
    });
    this.#expiry = setInterval(() => this.#tick(), config.leaseTtlMs / EXPIRY_CHECKS_PER_TTL);
    this.#watch.start();
    const reason = await Promise.race([writer.over, failed, this.#stopped]);
    await this.stop();
    return reason;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#expiry);
    await this.#watch.stop();
    await this.#following;
  }

  /** Takes over a new list of servers. */
  configure(servers: readonly ServerSpec[]): void {
    const at = this.#now();
    this.#recorder.record(configureServers(this.options.ledger, servers, at));
    this.#runners.clear();
    this.#watch?.lookAtAll();
  }

  /** Leaves the servers as they were found: what was loaded to stay is unloaded where nobody uses it. */
  async unloadIdle(): Promise<void> {
    const unloads: Promise<boolean>[] = [];
    for (const server of this.options.ledger.servers.values()) {
      for (const { residencyId, state } of server.residencies.values()) {
        if (state !== 'loaded' || busySlots(server, residencyId) > 0) continue;
        unloads.push(this.keeper.unload(server.spec.serverId, residencyId, 'the allocator is stopping'));
      }
    }
    await Promise.allSettled(unloads);
  }

  async drain({ serverId, drain }: DrainRequest): Promise<ServerReply> {
    const { ledger } = this.options;
    const decided = drain
      ? drainServer(ledger, serverId, 'asked by a client', this.#now())
      : resumeServer(ledger, serverId, this.#now());
    const problem = await this.#change(serverId, decided);
    if (problem) return { ok: false, failure: problem };
    this.#drain();
    return this.#replyOf(serverId);
  }

  async putServer({ server }: PutServerRequest): Promise<ServerReply> {
    const { serverId } = server;
    const created = !this.options.ledger.servers.has(serverId);
    const problem = await this.#change(serverId, putServer(this.options.ledger, server, this.#now()));
    if (problem) return { ok: false, failure: problem };
    const reply = this.#replyOf(serverId);
    return reply.ok ? { ...reply, created } : reply;
  }

  async removeServer({ serverId }: RemoveServerRequest): Promise<RemoveServerReply> {
    const problem = await this.#change(serverId, removeServer(this.options.ledger, serverId, this.#now()));
    return problem ? { ok: false, failure: problem } : { ok: true };
  }

  /** Resolves when the change is in the log; with the reason where it is refused. */
  async #change(serverId: ServerId, decided: ServerDecision): Promise<Failure | null> {
    if (!decided.ok) return decided.failure;
    const { acknowledged } = this.#recorder.record(decided.events);
    if (decided.events.length > 0) {
      this.options.logger.info({ serverId, facts: decided.events.map(({ type }) => type) }, 'server changed');
      this.#runners.delete(serverId);
      this.#watch.look(serverId);
    }
    await acknowledged();
    return null;
  }

  #now(): string {
    return rfc3339(this.options.clock.nowMs());
  }

  #replyOf(serverId: ServerId): ServerReply {
    const server = this.options.ledger.servers.get(serverId);
    return server === undefined
      ? { ok: false, failure: unknownServer(serverId) }
      : { ok: true, server: this.#view(server) };
  }

  views(): readonly ServerView[] {
    return [...this.options.ledger.servers.values()].map((server) => this.#view(server));
  }

  /** Goes on with servers that are being drained. */
  #drain(): void {
    const { ledger, clock } = this.options;
    for (const server of ledger.servers.values()) {
      const { serverId } = server.spec;
      const [next] = toUnload(server);
      if (next === undefined) continue;
      const unload = async (): Promise<boolean> =>
        await this.keeper.unload(serverId, next.residencyId, 'the server is being drained');
      void this.keeper.exclusive(serverId, unload);
    }
    this.#recorder.record(drainsDone(ledger, rfc3339(clock.nowMs())));
  }

  #tick(): void {
    const { snapshots, writer } = this.options;
    this.desk.expire();
    this.#drain();
    // Between two turns the ledger holds exactly what was handed to the writer.
    snapshots.offer(writer.position, () => writer.flush());
  }

  async #followTasks(from: LogPosition): Promise<void> {
    const { tasks } = this.options;
    const options = { filterSubjects: ENDING_SUBJECTS, signal: this.#stop.signal };
    for await (const stored of tasks.follow(from.seq === 0 ? START : from, options)) {
      this.follower.take(stored);
    }
  }

  /** Loads and unloads that a dead allocator left half done. The watch finds out what the servers really hold. */
  #settleHalfDone(): void {
    const at = rfc3339(this.options.clock.nowMs());
    for (const { spec, residencies } of this.options.ledger.servers.values()) {
      const { serverId } = spec;
      for (const { residencyId, state } of residencies.values()) {
        if (state === 'loading') {
          const failure = {
            code: 'MODEL_LOAD_FAILED' as const,
            message: 'The allocator was restarted during the load.',
          };
          const events: GpuEvent[] = [{ type: 'residency.load-failed', serverId, residencyId, failure, at }];
          this.#recorder.record(events);
        }
        if (state === 'unloading') void this.keeper.unload(serverId, residencyId, 'begun before a restart');
      }
    }
  }

  #runnerOf(serverId: ServerId): ModelRunner {
    const known = this.#runners.get(serverId);
    if (known) return known;
    const spec = this.options.ledger.servers.get(serverId)?.spec;
    if (spec === undefined) throw new Error(`server '${serverId}' is not configured`);
    const runner = this.options.runnerFor(spec);
    this.#runners.set(serverId, runner);
    return runner;
  }

  #view(server: Server): ServerView {
    const { spec, state, drain, version, reason, foreign } = server;
    return {
      ...spec,
      state,
      drain,
      ...(version === undefined ? {} : { version }),
      ...(reason === undefined ? {} : { reason }),
      vramFreeBytes: spec.kind === 'cpu' ? 0 : freeBytes(server),
      foreign,
      residencies: [...server.residencies.values()].map((residency) => ({
        ...residency,
        slotsBusy: busySlots(server, residency.residencyId),
      })),
      leases: [...server.leases.values()].map((lease) => ({
        ...lease,
        expiresInMs: this.desk.expiresInMs(lease.leaseId),
      })),
    };
  }
}
