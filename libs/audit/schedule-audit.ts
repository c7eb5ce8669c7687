import type { ScheduleId, TaskId } from '#libs/domain/ids.js';
import type { ScheduleEvent, ScheduleFired } from '#libs/domain/schedule/schedule-events.js';
import type { TaskSubmitted } from '#libs/domain/task/events.js';
import type { AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';

type Audited = {
  /** Due time that fired last, milliseconds since 1970; each comes behind the one before. */
  firedToMs: number;
  paused: boolean;
};

type Begun = { readonly taskId: TaskId; readonly scheduleId: ScheduleId; readonly seq: number };

/** Types that open the log for another writer: it may find a firing whose task has not begun. */
const BETWEEN: ReadonlySet<string> = new Set(['log.started', 'leader.elected']);

/** Whether each due time fired once, in its time and with its task, and nothing that was paused. */
export class ScheduleAudit {
  readonly #schedules = new Map<ScheduleId, Audited>();
  #begun: Begun | null = null;

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  /** Every event of `TASKS`. */
  take(record: AuditRecord): void {
    const { seq, type } = record;
    const begun = this.#begun;
    if (begun && !BETWEEN.has(type)) {
      this.#begun = null;
      if (type !== 'task.submitted' || record.data['taskId'] !== begun.taskId)
        this.#withoutTask(begun, seq, `before ${type} at ${seq}`);
    }
    if (type === 'task.submitted') this.#submitted(record, begun);
    if (type.startsWith('schedule.')) this.#event({ ...record.data, type } as unknown as ScheduleEvent, seq);
  }

  /** For a platform of which somebody says that nothing is under way. */
  settle(): void {
    if (this.#begun) this.#withoutTask(this.#begun, this.#begun.seq, 'when the log ended');
  }

  #event(event: ScheduleEvent, seq: number): void {
    const known = this.#schedules.get(event.scheduleId);
    if (event.type === 'schedule.created')
      this.#schedules.set(event.scheduleId, { firedToMs: Number.NEGATIVE_INFINITY, paused: false });
    if (event.type === 'schedule.removed') this.#schedules.delete(event.scheduleId);
    if (event.type === 'schedule.paused' && known) known.paused = true;
    if (event.type === 'schedule.resumed' && known) known.paused = false;
    if (event.type === 'schedule.fired') this.#fired(event, known, seq);
  }

  #fired(event: ScheduleFired, known: Audited | undefined, seq: number): void {
    const { scheduleId, dueAt, byHand, task, at } = event;
    this.#begun = { taskId: task.taskId, scheduleId, seq };
    const place = { stream: this.stream, seq, taskId: task.taskId };
    const what = `schedule ${scheduleId}, due at ${dueAt},`;
    if (known === undefined) {
      this.findings.add('FIRED_WRONGLY', place, `${what} fired and is not there`);
      return;
    }
    if (byHand) return;
    const dueMs = Date.parse(dueAt);
    if (dueMs <= known.firedToMs)
      this.findings.add(
        'FIRED_TWICE',
        place,
        `${what} fired after it had fired for ${new Date(known.firedToMs).toISOString()}`,
      );
    if (known.paused) this.findings.add('FIRED_WHILE_PAUSED', place, `${what} fired while it was paused`);
    if (dueMs > Date.parse(at))
      this.findings.add('FIRED_WRONGLY', place, `${what} fired at ${at}, too early`);
    known.firedToMs = Math.max(known.firedToMs, dueMs);
  }

  #submitted({ seq, data }: AuditRecord, begun: Begun | null): void {
    const { taskId, schedule } = data as unknown as TaskSubmitted;
    if (schedule === undefined || begun?.taskId === taskId) return;
    const text = `task ${taskId} of schedule ${schedule.scheduleId} began, which had not fired`;
    this.findings.add('FIRED_WRONGLY', { stream: this.stream, seq, taskId }, text);
  }

  #withoutTask({ taskId, scheduleId, seq: firedSeq }: Begun, seq: number, when: string): void {
    const text = `schedule ${scheduleId} fired at ${firedSeq}, and task ${taskId} had not begun ${when}`;
    this.findings.add('FIRED_WITHOUT_TASK', { stream: this.stream, seq, taskId }, text);
  }
}
