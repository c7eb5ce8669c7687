import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { LeaseView } from '#libs/contracts/queries.js';
import { Lease, Residency } from '../database/entities.js';

/** Leases shown of one task: one per attempt, and attempts are limited by the retry policy. */
const LEASES_MAX = 1_000;

/** The leases that a task has had, oldest first. */
export const leasesOf = async (em: SqlEntityManager, taskId: string): Promise<LeaseView[]> => {
  const leases = await em.find(
    Lease,
    { taskId },
    { orderBy: { token: 'asc', leaseId: 'asc' }, limit: LEASES_MAX, disableIdentityMap: true },
  );
  const residencyIds = leases.flatMap(({ residencyId }) => residencyId ?? []);
  const residencies = await em.find(
    Residency,
    { residencyId: { $in: residencyIds } },
    { disableIdentityMap: true },
  );
  const byId = new Map(residencies.map((residency) => [residency.residencyId, residency]));
  return leases.map((lease) => {
    const residency = byId.get(lease.residencyId ?? '');
    return {
      lease_id: lease.leaseId,
      task_id: lease.taskId,
      step_id: lease.stepId,
      attempt: lease.attempt,
      server_id: lease.serverId,
      residency_id: lease.residencyId ?? null,
      model: residency?.model ?? null,
      vram_bytes: residency?.vramBytes ?? null,
      token: lease.token,
      granted_at: lease.grantedAt,
      ended_at: lease.endedAt ?? null,
      outcome: (lease.ended ?? 'held') as LeaseView['outcome'],
    };
  });
};
