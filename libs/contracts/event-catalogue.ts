import { STREAMS } from './streams.js';
import { SUBJECTS, subjectToken } from './subjects.js';

/** One row per event type: what subscribers read first. The README's event table is made from this. */
export type EventEntry = {
  readonly type: string;
  readonly stream: string;
  readonly subject: string;
  /** Highest schema version of `data` that is written. */
  readonly version: number;
  readonly says: string;
};

const task = (type: string, says: string): EventEntry => ({
  type,
  stream: STREAMS.tasks.name,
  subject: `evt.task.<taskId>.${subjectToken(type)}`,
  version: 1,
  says,
});

const scheduler = (type: string, says: string): EventEntry => ({
  type,
  stream: STREAMS.tasks.name,
  subject: `evt.scheduler.${subjectToken(type)}`,
  version: 1,
  says,
});

const server = (type: string, says: string): EventEntry => ({
  type,
  stream: STREAMS.leases.name,
  subject: `evt.${type.startsWith('lease.') ? 'lease' : 'server'}.<serverId>.${subjectToken(type)}`,
  version: 1,
  says,
});

export const EVENT_CATALOGUE: readonly EventEntry[] = [
  task('task.submitted', 'A task was accepted, with its template version, parameters and steps.'),
  task('task.priority-changed', 'An open task has another priority.'),
  task(
    'task.moved',
    'A task that waits was given another place in the queue of its workspace; by whom, and why.',
  ),
  task('step.dispatched', 'An attempt of a step may run: its lease, its token, its filled-in input.'),
  task('step.completed', 'A step is done and its task goes on.'),
  task('step.failed', 'An attempt failed; another one follows, not before `retryAt`.'),
  task('step.stopped', 'One of several running attempts of an ending task has stopped.'),
  task('step.admitted', 'The condition of a step is true; it may run.'),
  task('step.skipped', 'The condition of a step is false; it does not run, and its task goes on.'),
  task(
    'step.expanded',
    'The items of a step are known, and how many; each is a step of its own with an id such as `x[17]` until it is over.',
  ),
  task('step.abandoned', 'A step failed for good, and its task goes on without it.'),
  task(
    'step.impossible',
    'A step that runs at the end of its task (`finally`) cannot begin, and why; the others go on.',
  ),
  task(
    'step.waiting',
    'A step waits for a time or has asked people: what, whom, until when. It holds no lease.',
  ),
  task('step.reminded', 'Who is asked and has not answered was asked again.'),
  task('step.escalated', 'Nobody has answered for so long that others are asked too.'),
  task(
    'step.answered',
    'The one answer that counts: what, by whom and when; `by` is null where the time was over.',
  ),
  task('step.waited', 'A step has waited, and its task goes on: its output, or why it has failed.'),
  task('task.cancel-requested', 'A running task was asked to stop; its slot is not free yet.'),
  task('task.failing', 'A step failed for good while others run; they are being stopped.'),
  task(
    'task.finishing',
    'All steps have ended but those at its end (`finally`), which run now: how the others ended (`end`), and until when these may (`until`).',
  ),
  task(
    'task.completed',
    'All steps are over: the result of the task, and how the last one ended: done (`step`), failed (`abandoned`), left out (`skipped`) without items (`empty`), it has waited (`waited`), or could not begin (`impossible`).',
  ),
  task(
    'task.failed',
    'The task is over without a result, and why. Where steps ran at its end: the last of them (`last`), or that they were cut short (`cut`).',
  ),
  task(
    'task.cancelled',
    'The task is over because someone asked, and how its attempts were stopped; or it was left out (`skipped`).',
  ),
  {
    ...scheduler('artifact.uploaded', 'Somebody sent a file for tasks of a workspace to read.'),
    subject: SUBJECTS.upload('<uploadId>', 'artifact-uploaded'),
  },
  task(
    'artifact.removed',
    'An artifact of a task that is over can be read no more; which one, and why: `age` or `space`. That of an upload: `evt.scheduler.artifact-removed.<uploadId>`.',
  ),
  scheduler('workflow.submitted', 'A workflow was accepted with all of its tasks, which follow one by one.'),
  scheduler('template.registered', 'A template version is known from now on.'),
  scheduler('commands.refused', 'Commands that were refused, with the reasons.'),
  scheduler('policy.changed', 'Other settings of the policy hold from here on; all of them.'),
  scheduler('scheduling.paused', 'Nothing new starts in this scope; who paused it, and why.'),
  scheduler('scheduling.resumed', 'A pause was lifted, and by whom.'),
  scheduler('schedule.created', 'A schedule exists: its rule, what it submits, and how.'),
  scheduler('schedule.changed', 'A schedule says something else from here on; all of it.'),
  scheduler('schedule.removed', 'A schedule is gone; its tasks go on.'),
  scheduler('schedule.paused', 'A schedule is not due from here on; who paused it, and why.'),
  scheduler('schedule.resumed', 'A schedule is due again from here on, and by whom.'),
  scheduler('schedule.fired', 'A due time has become a task, whose submission is the next event.'),
  scheduler('schedule.queued', 'A due time waits for the end of an earlier task of its schedule.'),
  scheduler('schedule.skipped', 'Due times that become no task, how many, and why.'),
  scheduler('schedule.failed', 'The submission of a due time was refused, and why; the schedule goes on.'),
  scheduler(
    'leader.elected',
    'A scheduler leads from here on; its sequence is the epoch. The allocator writes the same to `LEASES` under `evt.allocator`.',
  ),
  scheduler('log.started', 'The first event of a log; names this incarnation of it. `LEASES` has its own.'),
  server('server.configured', 'A server exists, or its configuration changed.'),
  server('server.removed', 'A server is no longer configured.'),
  server('server.state-changed', 'A server is up, down or suspect, or other models are loaded on it.'),
  server('server.drain-started', 'A server was asked to be drained: nothing new is placed there.'),
  server('server.drained', 'Nothing is leased and nothing loaded there any more; it may be switched off.'),
  server('server.resumed', 'A server that was drained takes work again.'),
  server('residency.load-started', 'A model is being loaded; its bytes are reserved.'),
  server('residency.loaded', 'The model is loaded; its bytes as the server reports them.'),
  server('residency.load-failed', 'The load failed; its bytes are free again.'),
  server('residency.unload-started', 'A model is being unloaded; its bytes are not free yet.'),
  server('residency.unloaded', 'The model is gone and its bytes are free.'),
  server('lease.granted', 'Slots were leased to attempts; the sequence is their fencing token.'),
  server('lease.released', 'Attempts have ended; their slots are free.'),
  server('lease.expired', 'Leases were not renewed in time; their attempts no longer count.'),
];
