import { readFile } from 'node:fs/promises';
import type { LocalGpu } from '#libs/contracts/server-entry.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import { LEASE_STREAM_TYPES, type AllocatorEvent, type GpuEvent } from '#libs/domain/gpu/events.js';
import { applyToLedger, emptyLedger, type Ledger } from '#libs/domain/gpu/gpu.js';
import { takenIds } from '#libs/domain/gpu/fleet.js';
import { LEDGER_FOLD_VERSION, ledgerLines, ledgerOfLines } from '#libs/domain/gpu/ledger-state.js';
import type { LogPosition, LogWriter, StoredEvent } from '#libs/event-log/event-log.js';
import { restored, SnapshotKeeper, type Keepable } from '#libs/event-log/snapshot-keeper.js';
import type { SnapshotStore } from '#libs/event-log/snapshot-store.js';
import { assertKnown, typedEvent } from '#libs/event-log/typed-event.js';
import { gpusOfThisMachine } from '#libs/runtime/gpu-inventory.js';
import type { HealthCheck } from '#libs/runtime/health.js';
import { NotLeadingError } from '#libs/runtime/not-leading-error.js';
import { watchFile } from '#libs/runtime/watch-file.js';
import { parseServersFile } from '#libs/servers-file/servers-file.js';
import { Term, type TermOptions } from './term.js';

export type AllocatorServiceOptions = Omit<TermOptions, 'ledger' | 'writer' | 'servers' | 'snapshots'> & {
  /** Folded states of `LEASES`. */
  readonly store: SnapshotStore;
};

/** The allocator as a candidate, like the scheduler: stands by, folds `LEASES`, leads for a term, starts over. */
export class AllocatorService {
  #ledger: Ledger = emptyLedger();
  #term: Term | null = null;
  #servers: readonly ServerSpec[] = [];
  #fileProblems: readonly string[] = [];
  #restoredSeq = 0;
  #inventory: Promise<readonly LocalGpu[]> | null = null;

  constructor(private readonly options: AllocatorServiceOptions) {}

  reset(): void {
    this.#ledger = emptyLedger();
    this.#restoredSeq = 0;
  }

  /** Takes up what was put aside, if there is anything. */
  async restore(): Promise<LogPosition> {
    const position = await restored(this.#keepable(), (lines) => (this.#ledger = ledgerOfLines(lines)));
    this.#restoredSeq = position.seq;
    return position;
  }

  fold(stored: StoredEvent): void {
    assertKnown(stored, LEASE_STREAM_TYPES, 'LEASES');
    applyToLedger(this.#ledger, {
      seq: stored.seq,
      event: typedEvent<GpuEvent | AllocatorEvent>(stored),
      ...(stored.causationId === undefined ? {} : { causationId: stored.causationId }),
    });
  }

  async lead(writer: LogWriter, opening: StoredEvent, signal: AbortSignal): Promise<Error> {
    this.fold(opening);
    const restoredSeq = this.#restoredSeq;
    this.options.logger.info({ epoch: writer.epoch, seq: this.#ledger.seq, restoredSeq }, 'leading');
    const term = new Term({
      ...this.options,
      ledger: this.#ledger,
      writer,
      servers: this.#servers,
      snapshots: new SnapshotKeeper(this.#keepable(), restoredSeq),
    });
    this.#term = term;
    const stop = (): void => void term.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await term.run();
    } finally {
      signal.removeEventListener('abort', stop);
      this.#term = null;
    }
  }

  #keepable(): Keepable {
    const { store, config, logger } = this.options;
    return {
      store,
      foldVersion: LEDGER_FOLD_VERSION,
      lines: () => ledgerLines(this.#ledger),
      everyEvents: config.snapshotEveryEvents,
      onFailure: (error) =>
        logger.warn({ error: String(error) }, 'a snapshot was not saved or not read; the log has everything'),
    };
  }

  /** Unloads what was loaded to stay, if this allocator leads. */
  async unloadIdle(): Promise<void> {
    await this.#term?.unloadIdle();
  }

  /** The running term. Throws where another allocator leads. */
  term(): Term {
    if (this.#term === null) throw new NotLeadingError('this allocator does not lead');
    return this.#term;
  }

  /** Reads the servers, now and whenever the file changes. A bad file changes nothing and is told in the health report. */
  async watchServers(): Promise<() => Promise<void>> {
    const { serversFile } = this.options.config;
    if (serversFile !== undefined) return await watchFile(serversFile, async () => await this.#readServers());
    await this.#readServers();
    return () => Promise.resolve();
  }

  /** Asked for once: GPUs do not come and go. */
  #gpus(): Promise<readonly LocalGpu[]> {
    this.#inventory ??= gpusOfThisMachine();
    return this.#inventory;
  }

  async #readServers(): Promise<void> {
    const { serversFile, cpuSlots } = this.options.config;
    const cpu: ServerSpec = {
      serverId: 'cpu',
      kind: 'cpu',
      vramBytes: 0,
      slots: cpuSlots,
      device: 'cpu',
      labels: {},
      pullMissing: false,
    };
    const listed =
      serversFile === undefined
        ? { ok: true as const, servers: [] }
        : await readServers(serversFile, this.#gpus());
    if (!listed.ok) {
      this.#fileProblems = listed.problems;
      this.options.logger.error(
        { problems: listed.problems },
        'the list of servers is not valid; the last good one stays',
      );
      if (this.#servers.length === 0) this.#servers = [cpu];
      return;
    }
    this.#fileProblems = [];
    this.#servers = [cpu, ...listed.servers];
    this.#term?.configure(this.#servers);
  }

  readonly health: HealthCheck = () => {
    const servers = [...this.#ledger.servers.values()];
    return {
      reasons: [
        ...this.#fileProblems,
        ...takenIds(this.#ledger, this.#servers).map(
          (id) => `the servers file names '${id}', which was added by the API`,
        ),
      ],
      progress: {
        leading: this.#term !== null,
        leasesSeq: this.#ledger.seq,
        tasksSeq: this.#term?.follower.seen ?? this.#ledger.positions.tasks,
        servers: servers.length,
        serversUp: servers.filter(({ state }) => state === 'up').length,
        leases: servers.reduce((sum, { leases }) => sum + leases.size, 0),
        residencies: servers.reduce((sum, { residencies }) => sum + residencies.size, 0),
      },
    };
  };
}

const readServers = async (file: string, gpus: Promise<readonly LocalGpu[]>) => {
  try {
    return parseServersFile(await readFile(file, 'utf8'), file, await gpus);
  } catch (error) {
    return { ok: false as const, problems: [`${file}: cannot be read: ${String(error)}`] };
  }
};
