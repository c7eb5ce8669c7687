import type { AuditRecord } from '#libs/audit/audit-record.js';
import { auditCrossing } from '#libs/audit/crossing-audit.js';
import { ChildAudit } from '#libs/audit/child-audit.js';
import { Findings } from '#libs/audit/findings.js';
import { LeaseAudit } from '#libs/audit/lease-audit.js';
import { stateDigest } from '#libs/audit/state-digest.js';
import { PromiseAudit } from '#libs/audit/promise-audit.js';
import { TaskAudit } from '#libs/audit/task-audit.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { applyToBook, emptyBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { playHistory, type Chaos, type Remains } from '#libs/simulation/chaos/history.js';
import { heardLog, timeOf } from './recorded-history.js';

/** What is wrong with a random history; nothing, if the platform keeps its promises. */
export type Judged = {
  readonly problems: readonly string[];
  readonly remains: Remains | null;
  readonly events: number;
  /** Moves within the queue. */
  readonly moves: number;
};

/** Plays the history of this seed and has it judged by the audit, which knows nothing of how it was made. */
export const judgedHistory = (seed: number, chaos?: Chaos): Judged => {
  const { log, heard } = heardLog();
  const { tasks, leases } = log;
  let remains: Remains;
  let live: string;
  try {
    const played = playHistory(seed, heard, chaos);
    remains = played.remains;
    live = stateDigest(played.book).sha256;
  } catch (error) {
    return { problems: [String(error)], remains: null, events: tasks.length + leases.length, moves: 0 };
  }
  const problems = [...auditOf(tasks, leases), ...leftOver(remains)];
  const book = emptyBook();
  for (const record of tasks) applyToBook(book, record);
  if (stateDigest(book).sha256 !== live)
    problems.push('the log gives another state than the one that was decided from');
  const moves = tasks.filter(({ event }) => event.type === 'task.moved').length;
  return { problems, remains, events: tasks.length + leases.length, moves };
};

/** What the audit finds in these logs, by rule. */
export const auditOf = (tasks: readonly TaskRecord[], leases: readonly GpuRecord[]): readonly string[] => {
  const findings = new Findings();
  const [taskAudit, leaseAudit] = [new TaskAudit('TASKS', findings), new LeaseAudit('LEASES', findings)];
  const promiseAudit = new PromiseAudit('TASKS', findings);
  const childAudit = new ChildAudit('TASKS', findings);
  for (const record of tasks.map(recordOf)) {
    if (record.taskId !== undefined) taskAudit.take(record);
    promiseAudit.task(record);
    childAudit.take(record);
  }
  for (const record of leases.map(recordOf)) {
    leaseAudit.take(record);
    promiseAudit.lease(record);
  }
  promiseAudit.report(Number.MAX_SAFE_INTEGER);
  const crossing = {
    tasks: taskAudit,
    leases: leaseAudit,
    lastTaskSeq: tasks.length,
    nowMs: Number.MAX_SAFE_INTEGER,
    graceMs: 0,
  };
  auditCrossing(crossing, { tasks: 'TASKS', leases: 'LEASES' }, findings);
  return findings.kept.map(({ rule, message }) => `${rule}: ${message}`);
};

const leftOver = ({ open, leases, overcommits }: Remains): readonly string[] => [
  ...(open > 0 ? [`${open} tasks have not ended`] : []),
  ...(leases > 0 ? [`${leases} leases are live`] : []),
  ...(overcommits > 0 ? [`${overcommits} loads of more than the memory holds`] : []),
];

/** Everything but the chain, which these logs have none of. */
const recordOf = ({ seq, event }: TaskRecord | GpuRecord): AuditRecord => {
  const { type, ...data } = event;
  return {
    seq,
    subject: '',
    id: `e-${seq}`,
    type,
    version: 1,
    time: timeOf(event),
    epoch: 1,
    prevHash: '',
    ...('taskId' in event ? { taskId: event.taskId } : {}),
    data,
    payload: '',
  };
};
