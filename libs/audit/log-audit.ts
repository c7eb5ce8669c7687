import { STREAMS } from '#libs/contracts/streams.js';
import { LEASE_STREAM_TYPES } from '#libs/domain/gpu/events.js';
import { TASK_STREAM_TYPES } from '#libs/domain/task/stream-types.js';
import { ArtifactAudit } from './artifact-audit.js';
import type { AuditRecord } from './audit-record.js';
import { ChainAudit } from './chain-audit.js';
import { auditCrossing } from './crossing-audit.js';
import { Findings, type Finding } from './findings.js';
import { LeaseAudit } from './lease-audit.js';
import { PromiseAudit } from './promise-audit.js';
import type { RuleName } from './rules.js';
import { ChildAudit } from './child-audit.js';
import { ScheduleAudit } from './schedule-audit.js';
import { SubmissionAudit, type StoredSubmission } from './submission-audit.js';
import { TaskAudit } from './task-audit.js';
import { WorkflowAudit } from './workflow-audit.js';

/** Streams that are audited. */
export type AuditedStream = 'tasks' | 'leases';

export type AuditReport = {
  readonly sound: boolean;
  readonly read: Readonly<Record<AuditedStream, number>>;
  readonly tasks: { readonly open: number; readonly over: number };
  readonly attempts: number;
  readonly leases: number;
  readonly submissions: number;
  readonly servers: number;
  /** The first of each rule, in the order found. */
  readonly findings: readonly Finding[];
  /** How many there are of each rule. */
  readonly counts: Readonly<Partial<Record<RuleName, number>>>;
};

export type AuditEnd = {
  readonly nowMs: number;
  /** Nothing is under way: every task has ended, every lease is closed. */
  readonly settled: boolean;
};

/** A lease that nobody renews lives as long as it was granted for, ten minutes at most; until then it may be that its end is near. */
const GRACE_MS = 11 * 60_000;

const KNOWN = { tasks: TASK_STREAM_TYPES, leases: LEASE_STREAM_TYPES };

/** Types of no single task or server: only the chain has to do with them. */
const WITHOUT_SUBJECT: ReadonlySet<string> = new Set([
  'log.started',
  'leader.elected',
  'workflow.submitted',
  'template.registered',
  'commands.refused',
  'policy.changed',
  'artifact.uploaded',
  'artifact.removed',
]);

/** The same of schedules. */
const OF_SCHEDULES = /^schedule\./;

/**
 * Reads the truth streams as an auditor would: with folds of its own, which know the promises and nothing of how the services
 * keep them. `TASKS` is told first, then `LEASES` as it was later, then what clients had submitted; each in order.
 * Memory grows with the attempts in the log: 0.9 KiB for each, of 200,000 tasks with one (measured); time is 9 µs an event.
 */
export class LogAudit {
  readonly #findings = new Findings();
  readonly #chains = {
    tasks: new ChainAudit(STREAMS.tasks.name, this.#findings),
    leases: new ChainAudit(STREAMS.leases.name, this.#findings),
  };
  readonly #tasks = new TaskAudit(STREAMS.tasks.name, this.#findings);
  readonly #workflows = new WorkflowAudit(STREAMS.tasks.name, this.#findings);
  readonly #schedules = new ScheduleAudit(STREAMS.tasks.name, this.#findings);
  readonly #artifacts = new ArtifactAudit(STREAMS.tasks.name, this.#findings);
  readonly #children = new ChildAudit(STREAMS.tasks.name, this.#findings);
  readonly #leases = new LeaseAudit(STREAMS.leases.name, this.#findings);
  readonly #promises = new PromiseAudit(STREAMS.tasks.name, this.#findings);
  readonly #submissions = new SubmissionAudit(STREAMS.commands.name, this.#findings);
  readonly #read = { tasks: 0, leases: 0 };

  /** Last command that the log names as decided. */
  get decidedTo(): number {
    return this.#submissions.decidedTo;
  }

  take(stream: AuditedStream, record: AuditRecord): void {
    this.#read[stream] += 1;
    this.#chains[stream].take(record);
    try {
      this.#fold(stream, record);
    } catch (error) {
      this.unreadable(STREAMS[stream].name, record.seq, `${record.type}: ${(error as Error).message}`);
    }
  }

  /** What the stream says of its own end, once it was read. */
  endsAt(stream: AuditedStream, lastSeq: number): void {
    this.#chains[stream].endsAt(lastSeq);
  }

  unreadable(stream: string, seq: number, why: string): void {
    this.#findings.add('NOT_READABLE', { stream, seq }, why);
  }

  submission(stored: StoredSubmission): void {
    this.#submissions.stored(stored);
  }

  /** The scheduler was asked what it has made of the log up to here. */
  stateDiffers(seq: number, message: string): void {
    this.#findings.add('STATE_DIFFERS', { stream: STREAMS.tasks.name, seq }, message);
  }

  report({ nowMs, settled }: AuditEnd): AuditReport {
    const crossing = {
      tasks: this.#tasks,
      leases: this.#leases,
      lastTaskSeq: this.#chains.tasks.lastSeq,
      nowMs,
      graceMs: settled ? 0 : GRACE_MS,
    };
    auditCrossing(crossing, { tasks: STREAMS.tasks.name, leases: STREAMS.leases.name }, this.#findings);
    this.#promises.report(nowMs);
    if (settled) this.#tasks.settle();
    if (settled) this.#workflows.settle();
    if (settled) this.#schedules.settle();
    return {
      sound: this.#findings.total === 0,
      read: { ...this.#read },
      tasks: this.#tasks.count,
      attempts: this.#tasks.attempts.size,
      leases: this.#leases.granted.size,
      submissions: this.#submissions.seen,
      servers: this.#leases.serverCount,
      findings: this.#findings.kept,
      counts: this.#findings.counts,
    };
  }

  #fold(stream: AuditedStream, record: AuditRecord): void {
    if (!KNOWN[stream].has(record.type))
      throw new TypeError(`no event of ${STREAMS[stream].name} is known by this type`);
    if (stream === 'tasks') this.#submissions.take(record);
    if (stream === 'tasks') this.#workflows.take(record);
    if (stream === 'tasks') this.#schedules.take(record);
    if (stream === 'tasks') this.#artifacts.take(record);
    if (stream === 'tasks') this.#children.take(record);
    if (stream === 'tasks') this.#promises.task(record);
    else this.#promises.lease(record);
    if (WITHOUT_SUBJECT.has(record.type) || OF_SCHEDULES.test(record.type)) return;
    if (stream === 'tasks') this.#tasks.take(record);
    else this.#leases.take(record);
  }
}
