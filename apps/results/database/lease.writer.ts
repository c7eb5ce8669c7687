import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { EndedRow, GrantedRow, LeaseChanges, ResidencyRow } from '../lease-view.projection.js';
import { indexText } from './index-text.js';
import { insertRows, updateRows, type Column } from './rows.js';

/** Writes what a batch of the `LEASES` stream changed. Runs inside the transaction that moves the checkpoint. */
export const writeLeaseChanges = async (em: SqlEntityManager, changes: LeaseChanges): Promise<void> => {
  await insertRows(em, 'lease', GRANTED, '(lease_id) do nothing', changes.granted);
  await updateRows(
    em,
    'lease',
    [text('lease_id', ({ leaseId }: EndedRow) => leaseId)],
    ENDED,
    changes.ended,
    FIRST_END,
  );
  await insertRows(em, 'residency', LOADING, '(residency_id) do nothing', changes.loading);
  await updateRows(em, 'residency', [RESIDENCY], LOADED, changes.loaded);
  await updateRows(em, 'residency', [RESIDENCY], UNLOADED, changes.unloaded);
};

/** A lease ends once; what comes later about it changes nothing. */
const FIRST_END = ' and t.ended is null';

const text = <Row>(name: string, of: Column<Row>['of']): Column<Row> => ({ name, type: 'text', of });
const number = <Row>(name: string, of: Column<Row>['of']): Column<Row> => ({ name, type: 'bigint', of });

const GRANTED: readonly Column<GrantedRow>[] = [
  text('lease_id', ({ leaseId }) => leaseId),
  text('task_id', ({ taskId }) => taskId),
  text('step_id', ({ stepId }) => stepId),
  number('attempt', ({ attempt }) => attempt),
  text('server_id', ({ serverId }) => serverId),
  text('residency_id', ({ residencyId }) => residencyId),
  number('token', ({ token }) => token),
  text('granted_at', ({ grantedAt }) => grantedAt),
];

const ENDED: readonly Column<EndedRow>[] = [
  text('ended', ({ ended }) => ended),
  text('ended_at', ({ endedAt }) => endedAt),
];

const RESIDENCY = text('residency_id', ({ residencyId }: { readonly residencyId: string }) => residencyId);

const LOADING: readonly Column<ResidencyRow>[] = [
  RESIDENCY,
  text('server_id', ({ serverId }) => serverId),
  text('model', ({ model }) => indexText(model)),
  text('started_at', ({ startedAt }) => startedAt),
];

const LOADED: readonly Column<LeaseChanges['loaded'][number]>[] = [
  number('vram_bytes', ({ vramBytes }) => vramBytes),
  text('loaded_at', ({ loadedAt }) => loadedAt),
];

const UNLOADED: readonly Column<LeaseChanges['unloaded'][number]>[] = [
  text('ended_at', ({ endedAt }) => endedAt),
];
