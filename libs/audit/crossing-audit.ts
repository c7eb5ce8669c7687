import { attemptName, type Attempt } from './attempts.js';
import type { Findings } from './findings.js';
import type { GrantedLease, LeaseAudit } from './lease-audit.js';
import type { RuleName } from './rules.js';
import type { TaskAudit } from './task-audit.js';

export type Crossing = {
  readonly tasks: TaskAudit;
  readonly leases: LeaseAudit;
  /** How far `TASKS` was read. */
  readonly lastTaskSeq: number;
  readonly nowMs: number;
  /** What may still be under way at the end of what was read: 0 where everything is known to be at rest. */
  readonly graceMs: number;
};

/** Whether the two streams tell the same of every attempt and its lease: no attempt without a right, no slot free too early or never. */
export const auditCrossing = (crossing: Crossing, streams: Streams, findings: Findings): void => {
  const { tasks, leases } = crossing;
  for (const attempt of tasks.attempts.values()) {
    const lease = leases.grantOf(attempt.leaseId, attempt.token);
    const missing = notGranted(attempt, lease);
    const problem = missing ?? (lease ? problemOf(attempt, lease, crossing) : null);
    if (problem === null) continue;
    const [rule, message] = problem;
    const seq = rule === 'NOT_GRANTED' ? attempt.startedSeq : (attempt.ended?.seq ?? attempt.startedSeq);
    const text = `${attemptName(attempt)} of task ${attempt.taskId}, lease ${attempt.leaseId}: ${message}`;
    findings.add(rule, { stream: streams.tasks, seq, taskId: attempt.taskId }, text);
  }
  for (const lease of leases.granted.values()) {
    if (lease.closed !== null || tasks.attempts.has(lease.leaseId)) continue;
    if (!isOld(lease.atMs, crossing)) continue;
    const at = { stream: streams.leases, seq: lease.token, taskId: lease.taskId };
    findings.add('LEASE_LEFT_BEHIND', at, `lease ${lease.leaseId} is live and no attempt ever used it`);
  }
};

export type Streams = { readonly tasks: string; readonly leases: string };

type Problem = readonly [rule: RuleName, message: string];

const notGranted = (attempt: Attempt, lease: GrantedLease | undefined): Problem | null => {
  if (lease === undefined) return ['NOT_GRANTED', 'there is no such lease'];
  const differs = (['taskId', 'stepId', 'attempt', 'serverId', 'token'] as const).find(
    (name) => attempt[name] !== lease[name],
  );
  return differs === undefined
    ? null
    : ['NOT_GRANTED', `its ${differs} is ${attempt[differs]}, that of the lease ${lease[differs]}`];
};

const problemOf = (attempt: Attempt, lease: GrantedLease, crossing: Crossing): Problem | null => {
  const { ended } = attempt;
  const { closed } = lease;
  if (closed === null) {
    if (ended === null) return null;
    const isFollowed = ended.seq <= crossing.leases.followedTo && !ended.unconfirmed;
    return isFollowed || isOld(ended.atMs, crossing)
      ? ['LEASE_LEFT_BEHIND', `it ended at ${ended.seq}, and the lease is live`]
      : null;
  }
  if (closed.how === 'expired') {
    return ended === null && isOld(closed.atMs, crossing)
      ? ['LEASE_GONE', `it is under way; the lease expired at ${closed.seq}`]
      : null;
  }
  if (ended === null) {
    // Freed without having read about it: the lease was not to be used, or it became certain that the server had stopped.
    const isCertain =
      closed.afterTask === null ? isOld(closed.atMs, crossing) : closed.afterTask <= crossing.lastTaskSeq;
    return isCertain ? ['SLOT_GIVEN_AWAY', `it is under way; the lease was released at ${closed.seq}`] : null;
  }
  return closed.afterTask !== null && ended.seq > closed.afterTask
    ? ['SLOT_GIVEN_AWAY', `it ended at ${ended.seq}; the lease was released after ${closed.afterTask}`]
    : null;
};

const isOld = (sinceMs: number, { nowMs, graceMs }: Crossing): boolean => nowMs - sinceMs >= graceMs;
