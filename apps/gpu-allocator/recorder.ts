import { subjectToken, SUBJECTS } from '#libs/contracts/subjects.js';
import type { GpuEvent } from '#libs/domain/gpu/events.js';
import { applyToLedger, type Ledger } from '#libs/domain/gpu/gpu.js';
import type { LogWriter } from '#libs/event-log/event-log.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';

/**
 * Writes facts about servers and leases and folds them in the same turn, as the scheduler's recorder does: what is
 * decided next already counts them, and nothing leaves before `acknowledged`.
 */
export class Recorder {
  #written = 0;

  constructor(
    private readonly writer: LogWriter,
    readonly ledger: Ledger,
    private readonly clock: Clock,
  ) {}

  /** Sequences of the events, in order; the last `acknowledged` covers them all. */
  record(
    events: readonly GpuEvent[],
    causationId?: string,
  ): { readonly seqs: readonly number[]; readonly acknowledged: () => Promise<void> } {
    // What depends on "nothing new" is true once all before it is stored.
    if (events.length === 0) return { seqs: [], acknowledged: () => this.writer.flush() };
    const time = rfc3339(this.clock.nowMs());
    const { events: stored, acknowledged } = this.writer.append(
      events.map(({ type, ...data }) => {
        this.#written += 1;
        const serverId = 'serverId' in data ? data.serverId : data.server.serverId;
        return {
          id: `leases-${this.writer.epoch}-${this.#written}`,
          type,
          version: 1,
          subject: type.startsWith('lease.')
            ? SUBJECTS.lease(serverId, subjectToken(type))
            : SUBJECTS.server(serverId, subjectToken(type)),
          time,
          data,
          ...(causationId === undefined ? {} : { causationId }),
        };
      }),
    );
    const seqs = stored.map(({ seq }) => seq);
    for (const [place, event] of events.entries()) {
      applyToLedger(this.ledger, {
        seq: seqs[place] ?? 0,
        event,
        ...(causationId === undefined ? {} : { causationId }),
      });
    }
    return { seqs, acknowledged };
  }
}
