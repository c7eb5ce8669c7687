import type { Failure } from '#libs/domain/errors.js';
import { serverLost, serverSeen, serverSuspected } from '#libs/domain/gpu/server-health.js';
import type { ServerId } from '#libs/domain/ids.js';
import type { ModelRunner } from '#libs/model-runner/model-runner.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Recorder } from './recorder.js';
import { failureOf, type ResidencyKeeper } from './residency-keeper.js';
import type { ServerRecovery } from './server-recovery.js';

export type WatchOptions = {
  readonly recorder: Recorder;
  readonly keeper: ResidencyKeeper;
  readonly recovery: ServerRecovery;
  readonly clock: Clock;
  readonly runnerOf: (serverId: ServerId) => ModelRunner;
  readonly probeEveryMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/** A process list can stall for seconds while the server loads or unloads something; one slow answer is no death. */
const SILENT_LOOKS_MAX = 2;

/** Nobody listens there, or the connection was cut: the process is gone, and what ran in it too. */
const GONE: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ECONNRESET']);

/**
 * Looks at every server again and again, and at once where something there went wrong, and records what changed: reachable
 * or not, models that are not ours, residencies that are gone because the server was restarted.
 */
export class ServerWatch {
  readonly #looking = new Map<ServerId, Promise<void>>();
  /** Looks in a row without a good answer. */
  readonly #silent = new Map<ServerId, number>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: WatchOptions) {}

  start(): void {
    this.#timer = setInterval(() => this.lookAtAll(), this.options.probeEveryMs);
    this.lookAtAll();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.allSettled(this.#looking.values());
  }

  lookAtAll(): void {
    for (const serverId of this.options.recorder.ledger.servers.keys()) this.look(serverId);
  }

  look(serverId: ServerId): void {
    const kind = this.options.recorder.ledger.servers.get(serverId)?.spec.kind;
    if (kind === undefined || kind === 'cpu' || this.#looking.has(serverId) || this.options.signal.aborted)
      return;
    const look = this.#look(serverId)
      .catch((error: unknown) => this.#unseen(serverId, failureOf(error)))
      .finally(() => this.#looking.delete(serverId));
    this.#looking.set(serverId, look);
  }

  /** A run or a load there failed in a way that tells of the server. */
  troubled(serverId: ServerId, failure: Failure): void {
    if (STUCK.has(failure.code)) this.suspect(serverId, failure.message);
    if (STUCK.has(failure.code) || UNCERTAIN.has(failure.code)) this.look(serverId);
  }

  suspect(serverId: ServerId, reason: string): void {
    const { recorder, clock, logger } = this.options;
    const server = recorder.ledger.servers.get(serverId);
    if (server === undefined || server.spec.kind === 'cpu') return;
    const events = serverSuspected(server, reason, rfc3339(clock.nowMs()));
    if (events.length > 0) logger.warn({ serverId, reason }, 'server is suspect');
    recorder.record(events);
  }

  async #look(serverId: ServerId): Promise<void> {
    const { runnerOf, keeper, recorder, recovery, clock, signal } = this.options;
    const { version } = await runnerOf(serverId).probe(signal);
    // What is listed while a load or an unload begins or ends may be either state; the next look will tell.
    if (keeper.isBusy(serverId)) return void this.#silent.delete(serverId);
    const health = recorder.ledger.servers.get(serverId)?.health;
    if (health === 'down' || health === 'suspect') {
      await recovery.attempt(serverId, version);
      return void this.#silent.delete(serverId);
    }
    const resident = await runnerOf(serverId).listResident(signal);
    this.#silent.delete(serverId);
    const server = recorder.ledger.servers.get(serverId);
    if (server === undefined || keeper.isBusy(serverId) || signal.aborted) return;
    if (server.health !== health) return;
    recorder.record(serverSeen(server, { version, resident }, rfc3339(clock.nowMs())));
  }

  #unseen(serverId: ServerId, { message, details = {} }: Failure): void {
    const { recorder, keeper, clock, logger, signal } = this.options;
    const server = recorder.ledger.servers.get(serverId);
    if (server === undefined || signal.aborted) return;
    const silent = (this.#silent.get(serverId) ?? 0) + 1;
    this.#silent.set(serverId, silent);
    if (silent < SILENT_LOOKS_MAX && !GONE.has(details['cause'])) return;
    if (server.health !== 'down') logger.warn({ serverId, reason: message }, 'server is down');
    recorder.record(serverLost(server, message, rfc3339(clock.nowMs())));
    keeper.abandon(serverId);
  }
}

/** The server answers, but does not get on: a line of loads that is full, a run or a load without any progress, a model that stays. */
const STUCK: ReadonlySet<string> = new Set(['SERVER_BUSY', 'NO_PROGRESS', 'UNLOAD_STUCK']);

/** It may be gone: a look will tell. */
const UNCERTAIN: ReadonlySet<string> = new Set(['SERVER_UNREACHABLE', 'MODEL_STREAM_BROKEN', 'MODEL_ERROR']);
