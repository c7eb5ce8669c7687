import type { LeaseId, ServerId } from '../ids.js';
import { emptyLedger, type Ledger, type Server } from './gpu.js';

/** Raise it when the fold makes another ledger of the same events, as with the task book (task/book-state.ts). */
export const LEDGER_FOLD_VERSION = 'leases-2';

type Written = {
  readonly seq: number;
  readonly logId: string;
  readonly tasks: number;
  readonly expired: readonly LeaseId[];
  readonly loadMs: Entries<Ledger['loadMs']>;
  readonly observed: Entries<Ledger['observed']>;
  readonly servers: readonly (readonly [ServerId, WrittenServer])[];
};
type WrittenServer = Omit<Server, 'residencies' | 'leases' | 'loadFailures'> & {
  readonly residencies: Entries<Server['residencies']>;
  readonly leases: Entries<Server['leases']>;
  readonly loadFailures: Entries<Server['loadFailures']>;
};
type Entries<M> = M extends Map<infer Key, infer Value> ? readonly (readonly [Key, Value])[] : never;

/** The ledger as it is at this moment, as one line of JSON: it holds what is live and is small. */
export const ledgerLines = ({
  seq,
  logId,
  positions,
  expired,
  loadMs,
  observed,
  servers,
}: Ledger): Iterable<string> => {
  const written: Written = {
    seq,
    logId,
    tasks: positions.tasks,
    expired: [...expired],
    loadMs: [...loadMs],
    observed: [...observed],
    servers: [...servers].map(([serverId, server]) => [serverId, writtenServer(server)]),
  };
  return [JSON.stringify(written)];
};

const writtenServer = ({ residencies, leases, loadFailures, ...rest }: Server): WrittenServer => ({
  ...rest,
  residencies: [...residencies],
  leases: [...leases],
  loadFailures: [...loadFailures],
});

/** The ledger that was written. Throws for anything else. */
export const ledgerOfLines = (lines: Iterable<string>): Ledger => {
  const ledger = emptyLedger();
  for (const line of lines) {
    const { seq, logId, tasks, expired, loadMs, observed, servers } = JSON.parse(line) as Written;
    ledger.seq = seq;
    ledger.logId = logId;
    ledger.positions.tasks = tasks;
    for (const leaseId of expired) ledger.expired.add(leaseId);
    for (const [key, ms] of loadMs) ledger.loadMs.set(key, ms);
    for (const [key, bytes] of observed) ledger.observed.set(key, bytes);
    for (const [serverId, { residencies, leases, loadFailures, ...rest }] of servers) {
      ledger.servers.set(serverId, {
        ...rest,
        residencies: new Map(residencies),
        leases: new Map(leases),
        loadFailures: new Map(loadFailures),
      });
    }
  }
  return ledger;
};
