import type { ScheduleState, ScheduleSummary } from '#libs/contracts/schedule-queries.js';
import type { Upcoming } from '#libs/domain/schedule/decide-due.js';
import { durationText } from './http/duration.js';

/** As the API shows a schedule: first what was asked for, by the names of the request, then how it stands. */
export const scheduleView = (schedule: ScheduleState | ScheduleSummary): object => {
  const { id, spec, status, createdAt, changedAt, paused, lastFiring, lastError } = schedule;
  const { task } = spec;
  return {
    id,
    status,
    template: task.template.name,
    template_version: task.template.version === undefined ? 'latest' : 'pinned',
    pinned_version: task.template.version ?? null,
    ...('parameters' in task ? { parameters: task.parameters } : {}),
    priority: task.priority,
    labels: task.labels,
    workspace: task.workspace,
    queue_ttl_ms: task.queueTtlMs ?? null,
    deadline_ms: task.deadlineMs ?? null,
    ...ruleView(spec.rule),
    overlap: spec.overlap,
    catch_up: spec.catchUp,
    jitter: durationText(spec.jitterMs),
    start_at: spec.startAt ?? null,
    end_at: spec.endAt ?? null,
    max_firings: spec.firingsMax ?? null,
    created_at: createdAt,
    changed_at: changedAt,
    paused,
    next: schedule.next.slice(0, 1).map(upcomingView)[0] ?? null,
    firings: schedule.firings,
    skipped: schedule.skipped,
    queued: schedule.queued,
    open_tasks: schedule.open,
    last_firing: lastFiring && {
      due_at: lastFiring.dueAt,
      fired_at: lastFiring.at,
      task_id: lastFiring.taskId,
      by_hand: lastFiring.byHand,
    },
    last_error: lastError && {
      code: lastError.failure.code,
      message: lastError.failure.message,
      due_at: lastError.dueAt,
      at: lastError.at,
    },
  };
};

export const upcomingView = ({ dueMs, firesMs }: Upcoming): object => ({
  due_at: new Date(dueMs).toISOString(),
  fires_at: new Date(firesMs).toISOString(),
});

const ruleView = (rule: ScheduleState['spec']['rule']): object => ({
  cron: rule.kind === 'cron' ? rule.cron : null,
  time_zone: rule.kind === 'cron' ? rule.timeZone : null,
  every: rule.kind === 'every' ? durationText(rule.everyMs) : null,
  at: rule.kind === 'at' ? rule.at : null,
});
