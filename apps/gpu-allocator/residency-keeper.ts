import type { EnsureResidentReply, EnsureResidentRequest } from '#libs/contracts/lease-rpc.js';
import type { Failure } from '#libs/domain/errors.js';
import { planLoad } from '#libs/domain/gpu/decide.js';
import type { Server } from '#libs/domain/gpu/gpu.js';
import { busySlots } from '#libs/domain/gpu/room.js';
import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import { serverSuspected } from '#libs/domain/gpu/server-health.js';
import type { LeaseId, ResidencyId, ServerId } from '#libs/domain/ids.js';
import type { ModelRunner } from '#libs/model-runner/model-runner.js';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import { ModelSizes } from './model-sizes.js';
import type { Recorder } from './recorder.js';

export type KeeperOptions = {
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly runnerOf: (serverId: ServerId) => ModelRunner;
  readonly newResidencyId: () => string;
  /** Told of every failure of a server that may be more than that of one load or unload. */
  readonly onTrouble: (serverId: ServerId, failure: Failure) => void;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/**
 * Carries out loads and unloads, one at a time per server, and records each stage as it happens.
 *
 * The swap never leaves the choice to the server: victims are idle (the scheduler stopped placing on them), are unloaded and
 * seen gone, and only then the new model is loaded, on a connection that belongs to no task. Bytes are reserved from
 * before the load until after the unload.
 */
export class ResidencyKeeper {
  /** Servers on which a load or an unload is under way, each with the way to give it up. */
  readonly #busy = new Map<ServerId, AbortController>();

  readonly #sizes: ModelSizes;

  constructor(private readonly options: KeeperOptions) {
    const { runnerOf, recorder, logger } = options;
    this.#sizes = new ModelSizes(runnerOf, recorder.ledger.observed, logger);
  }

  /** A load or unload is under way on this server: what its process list shows may be in between. */
  isBusy(serverId: ServerId): boolean {
    return this.#busy.has(serverId);
  }

  /** Gives up what is under way on a server that is gone. */
  abandon(serverId: ServerId): void {
    this.#busy.get(serverId)?.abort();
  }

  /** Does something that nothing else may be done beside on that server; `busy` where something is under way. */
  async exclusive<T>(serverId: ServerId, work: () => Promise<T>): Promise<T | 'busy'> {
    if (this.#busy.has(serverId)) return 'busy';
    this.#busy.set(serverId, new AbortController());
    try {
      return await work();
    } finally {
      this.#busy.delete(serverId);
    }
  }

  /** Answers whether it can be done, and then does it. */
  async ensure({ serverId, profile, evict }: EnsureResidentRequest): Promise<EnsureResidentReply> {
    const { recorder } = this.options;
    const known = recorder.ledger.servers.get(serverId);
    if (known === undefined)
      return refusal({ code: 'SERVER_UNKNOWN', message: `There is no server '${serverId}'.` });
    if (this.#busy.has(serverId)) return { ok: true };
    this.#busy.set(serverId, new AbortController());
    let handedOn = false;
    try {
      const needBytes = await this.#sizes.neededBytes(known, profile, this.#signalFor(serverId));
      const server = recorder.ledger.servers.get(serverId);
      if (server === undefined)
        return refusal({ code: 'SERVER_UNKNOWN', message: `Server '${serverId}' was removed.` });
      const planned = planLoad(server, profile, needBytes, evict);
      if (planned.kind === 'refused') return refusal(planned.failure);
      if (planned.kind !== 'swap') return { ok: true };
      handedOn = true;
      void this.#swap(serverId, profile, needBytes, planned.unload).finally(() =>
        this.#busy.delete(serverId),
      );
      return { ok: true };
    } catch (error) {
      const failure = failureOf(error);
      this.#recordFailedLoad(serverId, profile, failure);
      this.options.onTrouble(serverId, failure);
      return refusal(failure);
    } finally {
      if (!handedOn) this.#busy.delete(serverId);
    }
  }

  /** Unloads a residency, whatever its state in the ledger: what a dead allocator left half done is done again. */
  async unload(
    serverId: ServerId,
    residencyId: ResidencyId,
    reason: string,
    endsLease?: LeaseId,
  ): Promise<boolean> {
    const { recorder, runnerOf, onTrouble, logger } = this.options;
    const residency = recorder.ledger.servers.get(serverId)?.residencies.get(residencyId);
    if (residency === undefined) return true;
    const at = this.#now();
    const begun =
      residency.state === 'unloading'
        ? recorder.record([])
        : recorder.record([
            {
              type: 'residency.unload-started',
              serverId,
              residencyId,
              reason,
              at,
              ...(endsLease === undefined ? {} : { endsLease }),
            },
          ]);
    try {
      await begun.acknowledged();
      await runnerOf(serverId).unload(residency.profile.model, this.#signalFor(serverId));
    } catch (error) {
      const failure = failureOf(error);
      logger.error({ serverId, residencyId, code: failure.code }, `unload failed: ${failure.message}`);
      this.#suspect(serverId, failure);
      onTrouble(serverId, failure);
      return false;
    }
    // A server that was lost meanwhile took it along.
    if (!this.#holds(serverId, residencyId)) return true;
    recorder.record([{ type: 'residency.unloaded', serverId, residencyId, reason, at: this.#now() }]);
    return true;
  }

  /**
   * An aborted run that the server did not confirm may still compute: Ollama reads a long prompt to its end whatever became of
   * the connection. Unloading the model ends it within a second. Where others use the model the slot is given up instead: the
   * server will queue one request for a while.
   */
  async clear(leaseId: LeaseId): Promise<void> {
    for (const server of this.options.recorder.ledger.servers.values()) {
      const residencyId = server.leases.get(leaseId)?.residencyId;
      if (residencyId === undefined || busySlots(server, residencyId) > 1) continue;
      const { serverId } = server.spec;
      this.options.logger.info({ serverId, leaseId }, 'unloading: an aborted run was not seen to end');
      await this.unload(serverId, residencyId, 'an aborted run was not seen to end', leaseId);
    }
  }

  async #swap(
    serverId: ServerId,
    profile: ModelProfile,
    needBytes: number,
    victims: readonly ResidencyId[],
  ): Promise<void> {
    const { recorder } = this.options;
    this.#closeAll(serverId, victims, `room for ${profile.model}`);
    for (const residencyId of victims) {
      if (!(await this.unload(serverId, residencyId, `room for ${profile.model}`))) return;
    }
    const server = recorder.ledger.servers.get(serverId);
    if (server === undefined) return;
    // The unload took time: what was planned must still be true.
    const again = planLoad(server, profile, needBytes, []);
    if (again.kind === 'swap') await this.#load(server, profile, needBytes);
  }

  /** All at once: one that stayed open while another one is unloaded would be leased again. */
  #closeAll(serverId: ServerId, residencyIds: readonly ResidencyId[], reason: string): void {
    const at = this.#now();
    this.options.recorder.record(
      residencyIds.map((residencyId) => ({
        type: 'residency.unload-started',
        serverId,
        residencyId,
        reason,
        at,
      })),
    );
  }

  async #load(server: Server, profile: ModelProfile, needBytes: number): Promise<void> {
    const { recorder, runnerOf, newResidencyId, onTrouble, logger } = this.options;
    const { serverId, slots, device } = server.spec;
    const residencyId = newResidencyId();
    const begun = recorder.record([
      {
        type: 'residency.load-started',
        serverId,
        residencyId,
        profile,
        bytes: needBytes,
        slots,
        at: this.#now(),
      },
    ]);
    try {
      // Who was deposed meanwhile has no say any more in what a server holds.
      await begun.acknowledged();
      const loaded = await runnerOf(serverId).load(profile, this.#signalFor(serverId));
      if (!this.#holds(serverId, residencyId)) return;
      if (device === 'gpu' && loaded.vramBytes < loaded.sizeBytes)
        return await this.#rejectSpill(serverId, residencyId, loaded);
      const { sizeBytes, vramBytes, loadMs } = loaded;
      // A server that reports more than fits is believed: the ledger must not promise bytes that are not there.
      recorder.record([
        {
          type: 'residency.loaded',
          serverId,
          residencyId,
          bytes: Math.max(sizeBytes, vramBytes),
          vramBytes,
          loadMs,
          at: this.#now(),
        },
      ]);
      logger.info({ serverId, model: profile.model, loadMs, vramBytes }, 'model loaded');
    } catch (error) {
      const failure = failureOf(error);
      logger.warn({ serverId, model: profile.model, failure }, 'model not loaded');
      // A server that was lost meanwhile took the residency along, and with it what is known of this load.
      if (!this.#holds(serverId, residencyId)) return;
      recorder.record([{ type: 'residency.load-failed', serverId, residencyId, failure, at: this.#now() }]);
      onTrouble(serverId, failure);
    }
  }

  /** Partly in main memory: it would run, at a fraction of the speed. A placement that failed. */
  async #rejectSpill(
    serverId: ServerId,
    residencyId: ResidencyId,
    loaded: { model: string; sizeBytes: number; vramBytes: number },
  ): Promise<void> {
    const { recorder, runnerOf } = this.options;
    await runnerOf(serverId).unload(loaded.model, this.#signalFor(serverId));
    const failure: Failure = {
      code: 'MODEL_SPILLED',
      message: `${loaded.model} took ${loaded.sizeBytes} bytes on ${serverId}, of which only ${loaded.vramBytes} in VRAM.`,
      details: { sizeBytes: loaded.sizeBytes, vramBytes: loaded.vramBytes },
    };
    recorder.record([{ type: 'residency.load-failed', serverId, residencyId, failure, at: this.#now() }]);
  }

  /** A load that failed before bytes were reserved is told the same way, so that the tasks that wait learn why. */
  #recordFailedLoad(serverId: ServerId, profile: ModelProfile, failure: Failure): void {
    const { recorder, newResidencyId } = this.options;
    const residencyId = newResidencyId();
    const at = this.#now();
    recorder.record([
      { type: 'residency.load-started', serverId, residencyId, profile, bytes: 0, slots: 0, at },
      { type: 'residency.load-failed', serverId, residencyId, failure, at },
    ]);
  }

  /** Also where the server does not answer: whether it is gone is for the watch to find out. */
  #suspect(serverId: ServerId, { message }: Failure): void {
    const { recorder } = this.options;
    const server = recorder.ledger.servers.get(serverId);
    if (server) recorder.record(serverSuspected(server, message, this.#now()));
  }

  #holds(serverId: ServerId, residencyId: ResidencyId): boolean {
    return this.options.recorder.ledger.servers.get(serverId)?.residencies.has(residencyId) ?? false;
  }

  #signalFor(serverId: ServerId): AbortSignal {
    const { signal } = this.options;
    const own = this.#busy.get(serverId)?.signal;
    return own === undefined ? signal : AbortSignal.any([signal, own]);
  }

  #now(): string {
    return rfc3339(this.options.clock.nowMs());
  }
}

const refusal = (failure: Failure): EnsureResidentReply => ({ ok: false, failure });

export const failureOf = (error: unknown): Failure =>
  error instanceof ModelRunnerError
    ? { code: error.code, message: error.message, details: error.details }
    : { code: 'INTERNAL', message: String(error) };
