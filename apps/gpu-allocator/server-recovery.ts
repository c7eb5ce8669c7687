import { busySlots } from '#libs/domain/gpu/room.js';
import { residenciesGone, serverSeen } from '#libs/domain/gpu/server-health.js';
import type { ServerId } from '#libs/domain/ids.js';
import type { ModelRunner } from '#libs/model-runner/model-runner.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { Recorder } from './recorder.js';
import { failureOf, type ResidencyKeeper } from './residency-keeper.js';

export type RecoveryOptions = {
  readonly recorder: Recorder;
  readonly keeper: ResidencyKeeper;
  readonly clock: Clock;
  readonly runnerOf: (serverId: ServerId) => ModelRunner;
  /** Pause after a first attempt that failed; doubled from one to the next. */
  readonly pauseMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/** A server that has been stuck for hours is asked once a minute. */
const PAUSE_MAX_MS = 60_000;

/**
 * Brings a server that was down or suspect back.
 *
 * Every model on it is unloaded first, ours and others': that order does not stand in the line in which a stuck Ollama
 * waits for a model to go, and it is what that line waits for. Only a server that was seen empty is `up` again, so that
 * nothing is placed beside what is left of before. What still runs there is waited for.
 */
export class ServerRecovery {
  readonly #pauses = new Map<ServerId, { readonly untilMs: number; readonly tries: number }>();

  constructor(private readonly options: RecoveryOptions) {}

  /** One attempt, unless the pause after the last one lasts. The server answers, and says that it is this version. */
  async attempt(serverId: ServerId, version: string): Promise<void> {
    const { clock, keeper, logger } = this.options;
    const pause = this.#pauses.get(serverId);
    if (pause !== undefined && clock.nowMs() < pause.untilMs) return;
    const outcome = await keeper.exclusive(serverId, () => this.#emptied(serverId));
    if (this.options.signal.aborted || outcome === 'busy' || outcome === 'in-use') return;
    if (outcome === 'empty') {
      this.#pauses.delete(serverId);
      return this.#back(serverId, version);
    }
    const tries = (pause?.tries ?? 0) + 1;
    const pauseMs = Math.min(PAUSE_MAX_MS, this.options.pauseMs * 2 ** (tries - 1));
    this.#pauses.set(serverId, { untilMs: clock.nowMs() + pauseMs, tries });
    logger.warn({ serverId, tries, pauseMs }, 'the server does not unload what it holds; trying again');
  }

  async #emptied(serverId: ServerId): Promise<'empty' | 'in-use' | 'stuck'> {
    const { recorder, keeper, runnerOf, signal } = this.options;
    const runner = runnerOf(serverId);
    const resident = await runner.listResident(signal);
    const server = recorder.ledger.servers.get(serverId);
    if (server === undefined) return 'in-use';
    recorder.record(residenciesGone(server, resident, this.#now()));
    const reason = `recovery of the server: ${server.reason ?? server.health}`;
    for (const { residencyId } of server.residencies.values()) {
      if (busySlots(server, residencyId) > 0) continue;
      if (!(await keeper.unload(serverId, residencyId, reason))) return 'stuck';
    }
    if ((recorder.ledger.servers.get(serverId)?.residencies.size ?? 0) > 0) return 'in-use';
    for (const { model } of await runner.listResident(signal)) {
      try {
        await runner.unload(model, signal);
      } catch (error) {
        this.options.logger.warn({ serverId, model, reason: failureOf(error).message }, 'not unloaded');
        return 'stuck';
      }
    }
    return 'empty';
  }

  /** What others load again at once is theirs, and counted as such. */
  async #back(serverId: ServerId, version: string): Promise<void> {
    const { recorder, runnerOf, logger, signal } = this.options;
    const resident = await runnerOf(serverId).listResident(signal);
    const server = recorder.ledger.servers.get(serverId);
    if (server === undefined || signal.aborted) return;
    logger.info({ serverId, was: server.health }, 'server is up again');
    recorder.record(serverSeen(server, { version, resident }, this.#now()));
  }

  #now(): string {
    return rfc3339(this.options.clock.nowMs());
  }
}
