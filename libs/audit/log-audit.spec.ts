import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { eventHash } from '#libs/event-log/event-hash.js';
import type { AuditRecord } from './audit-record.js';
import { LogAudit, type AuditedStream, type AuditReport } from './log-audit.js';
import { RULES, type RuleName } from './rules.js';

/**
 * A log that a platform really wrote: eight tasks on two servers, among them one of two steps, one that waits for another, one cancelled
 * while it ran, one whose model is unknown, and one whose executor was killed; models were swapped, and a submission refused.
 */
type Log = Record<AuditedStream, AuditRecord[]>;

const lines = (stream: AuditedStream): AuditRecord[] =>
  readFileSync(`test/fixtures/log/${stream}.ndjson`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const event = JSON.parse(line) as AuditRecord;
      return { ...event, payload: JSON.stringify(event.data) };
    });

const log = (): Log => ({ tasks: lines('tasks'), leases: lines('leases') });

type Given = {
  readonly settled?: boolean;
  readonly nowMs?: number;
  readonly also?: (audit: LogAudit) => void;
};

const audited = ({ tasks, leases }: Log, { settled = false, nowMs, also }: Given = {}): AuditReport => {
  const audit = new LogAudit();
  for (const record of tasks) audit.take('tasks', record);
  for (const record of leases) audit.take('leases', record);
  also?.(audit);
  return audit.report({ nowMs: nowMs ?? Date.parse(leases.at(-1)?.time ?? ''), settled });
};

/** The log as writers would have written it: places, writers and hashes fit, so that only what was planted is wrong. */
const written = (records: readonly AuditRecord[]): AuditRecord[] => {
  let epoch = 0;
  return chained(
    records.map((record, place) => {
      const seq = place + 1;
      if (record.type === 'log.started' || record.type === 'leader.elected') epoch = seq;
      return { ...record, seq, epoch };
    }),
  );
};

const chained = (records: readonly AuditRecord[]): AuditRecord[] => {
  let prevHash = '';
  return records.map((record) => {
    const next = { ...record, prevHash, payload: JSON.stringify(record.data) };
    prevHash = eventHash(prevHash, next, next.epoch, next.payload);
    return next;
  });
};

const at = (records: readonly AuditRecord[], seq: number): AuditRecord => {
  const record = records[seq - 1];
  if (record === undefined) throw new Error(`the log has no event ${seq}`);
  return record;
};

/** The same log with one event changed. */
const changed = (stream: AuditedStream, seq: number, change: (record: AuditRecord) => AuditRecord): Log => {
  const found = log();
  found[stream] = written(found[stream].map((record) => (record.seq === seq ? change(record) : record)));
  return found;
};

const data =
  (more: object) =>
  (record: AuditRecord): AuditRecord => ({
    ...record,
    data: { ...record.data, ...more },
  });

/** As if it had never been written, without moving what comes behind it. */
const unsaid = (stream: AuditedStream, record: AuditRecord): AuditRecord => ({
  ...record,
  ...(stream === 'tasks'
    ? { type: 'commands.refused', data: { refused: [] } }
    : { type: 'server.state-changed', data: { serverId: 'cpu', state: 'up', foreign: [] } }),
});

const without = (stream: AuditedStream, ...seqs: readonly number[]): Log => {
  const found = log();
  found[stream] = written(
    found[stream].map((record) => (seqs.includes(record.seq) ? unsaid(stream, record) : record)),
  );
  return found;
};

/** Once more at the end. */
const again = (stream: AuditedStream, seq: number): Log => {
  const found = log();
  found[stream] = written([...found[stream], at(found[stream], seq)]);
  return found;
};

/** With these at the end; a function changes what stands before. */
const andThen = (
  stream: AuditedStream,
  ...added: readonly (
    | { readonly type: string; readonly data: object }
    | ((records: readonly AuditRecord[]) => readonly AuditRecord[])
  )[]
): Log => {
  const found = log();
  let records: readonly AuditRecord[] = found[stream];
  for (const one of added)
    records =
      typeof one === 'function'
        ? one(records)
        : [
            ...records,
            { ...at(records, records.length), ...one, id: `added-${records.length}` } as AuditRecord,
          ];
  found[stream] = written(records);
  return found;
};

const raw = (stream: AuditedStream, seq: number, change: (record: AuditRecord) => AuditRecord): Log => {
  const found = log();
  found[stream] = found[stream].map((record) => (record.seq === seq ? change(record) : record));
  return found;
};

const HOUR_MS = 3_600_000;
const anHourLater = Date.parse(at(lines('leases'), 33).time) + HOUR_MS;

const expired = data({ failure: { code: 'QUEUE_TTL_EXPIRED', message: 'too long' } });

type Plant = readonly [rule: RuleName, what: string, log: () => Log, given?: Given];

const lease = at(lines('tasks'), 10).data['lease'] as { readonly token: number };
const begun10 = lines('tasks').find(
  ({ type, taskId }) => type === 'task.submitted' && taskId === at(lines('tasks'), 10).taskId,
)?.data as { readonly workspace: string; readonly template: { readonly name: string } };
const named = { echo: [{ key: 'Bearer {{ secrets.token }}' }] };
const secrets = {
  workspace: begun10.workspace,
  template: begun10.template.name,
  uses: [{ name: 'token', path: ['echo', '0', 'key'], at: 7 }],
  all: ['token'],
};
const zombie = { leaseId: (at(lines('tasks'), 20).data['lease'] as { leaseId: string }).leaseId, attempt: 1 };
const step33 = at(lines('tasks'), 33).data['step'] as object;
const step24 = at(lines('tasks'), 24).data['step'] as object;
const artifact = {
  name: 'x.txt',
  object: 't/1',
  sizeBytes: 1,
  digest: 'sha256:1',
  contentType: 'text/plain',
};
const removal = (more: object = {}) => ({
  type: 'artifact.removed',
  data: { taskId: at(lines('tasks'), 24).taskId, artifact: { ...artifact, ...more }, reason: 'age' },
});
/** Stores the artifact in step 24. */
const stored = (records: readonly AuditRecord[]): readonly AuditRecord[] =>
  records.map((record) =>
    record.seq === 24 ? data({ step: { ...step24, artifacts: [artifact] } })(record) : record,
  );
const sim = at(lines('leases'), 3).data['server'] as object;
const first = at(lines('leases'), 7).data;

/** Its attempt has failed. */
const failed =
  (failure: object) =>
  (record: AuditRecord): AuditRecord =>
    data({ failure, step: { ...(record.data['step'] as object), failure }, stopped: [] })(record);
const BROKEN = { code: 'MODEL_ERROR', message: 'broken' };

const stepsWith = ({ data: { steps } }: AuditRecord, more: object): readonly object[] =>
  (steps as readonly object[]).map((step) => ({ ...step, ...more }));

/** About the first step of the task that begins at 5. */
const decided = (type: string): AuditRecord => {
  const begun = at(lines('tasks'), 5);
  const [step] = begun.data['steps'] as readonly { id: string }[];
  return { ...begun, type, data: { taskId: begun.taskId, stepId: step?.id, at: begun.time } };
};

const AT_END = { limitMs: 60_000 };

/** The end of that task but for steps that run then. */
const finishing = (end: object): AuditRecord => {
  const { data: said, ...record } = decided('task.finishing');
  return { ...record, data: { taskId: said['taskId'], end, until: record.time, at: record.time } };
};

/** The same, as one that waits. */
const asked = (type: string): AuditRecord => {
  const record = decided(type);
  const waiting = { kind: 'delay', until: record.time };
  return { ...record, data: { ...record.data, waiting, waitingSeq: 1, answer: { kind: 'approval' } } };
};

const swapped = (stream: AuditedStream, one: number, other: number): Log => {
  const found = log();
  const records = [...found[stream]];
  [records[one - 1], records[other - 1]] = [at(records, other), at(records, one)];
  found[stream] = written(records);
  return found;
};

/** At a moment at which two tasks run and one waits. */
const movedAt8 = (taskId: string, to: object): Log =>
  changed('tasks', 8, (record) => ({
    ...record,
    type: 'task.moved',
    taskId,
    data: { taskId, to, at: record.time },
  }));
const running = at(lines('tasks'), 3).taskId ?? '';
const queued = at(lines('tasks'), 4).taskId ?? '';

const promiseUntil = (startBy: string) => ({
  startBy,
  allowanceMs: 0,
  aheadMs: 0,
  attemptMs: HOUR_MS,
  swapMs: HOUR_MS,
});

const DUE = '2026-11-25T20:46:07.000Z';
const TASK_9 = at(lines('tasks'), 9).data['taskId'] as string;
type Told = readonly [type: string, data?: object];
const CREATED: Told = ['schedule.created'];
const fires = (taskId: string, more: object = {}): Told => [
  'schedule.fired',
  { dueAt: DUE, at: DUE, byHand: false, task: { taskId }, ...more },
];

/** With facts about a schedule before and behind the submission of a task. */
const scheduled = (before: readonly Told[], behind: readonly Told[] = []): Log => {
  const found = log();
  const { taskId: _, ...fact } = at(found.tasks, 9);
  const told = (facts: readonly Told[]) =>
    facts.map(([type, more]) => ({
      ...fact,
      type,
      causationId: '',
      data: { scheduleId: 'nightly', ...more },
    }));
  const { tasks } = found;
  found.tasks = written([
    ...tasks.slice(0, 8),
    ...told(before),
    at(tasks, 9),
    ...told(behind),
    ...tasks.slice(9),
  ]);
  return found;
};

const firstTask = lines('tasks').find(({ type }) => type === 'task.submitted')?.seq ?? 0;
const parent = { taskId: 'nobody', stepId: 'a', attempt: 1, depth: 1 };

const PLANTS: readonly Plant[] = [
  ['CHILD_WRONGLY', 'a task of a step that nobody has', () => changed('tasks', firstTask, data({ parent }))],
  [
    'WAITED_WRONGLY',
    'a step that runs and is said to wait',
    () => changed('tasks', 8, () => asked('step.waiting')),
  ],
  [
    'ANSWERED_WRONGLY',
    'an answer that nobody asked for',
    () => changed('tasks', 8, () => asked('step.answered')),
  ],
  ['FIRED_WITHOUT_TASK', 'a firing of another task', () => scheduled([CREATED, fires('another')])],
  [
    'FIRED_WITHOUT_TASK',
    'a firing at the end of a log at rest',
    () => {
      const found = scheduled([CREATED]);
      const [type, told] = fires('another');
      const fired = { ...at(found.tasks, 9), type, data: { scheduleId: 'nightly', ...told } };
      found.tasks = written([...found.tasks, fired]);
      return found;
    },
    { settled: true },
  ],
  [
    'FIRED_TWICE',
    'a due time that fires again',
    () => scheduled([CREATED, fires(TASK_9)], [fires('another')]),
  ],
  [
    'FIRED_WHILE_PAUSED',
    'a firing of a paused schedule',
    () => scheduled([CREATED, ['schedule.paused'], fires(TASK_9)]),
  ],
  ['FIRED_WRONGLY', 'a firing of no schedule', () => scheduled([fires(TASK_9)])],
  [
    'FIRED_WRONGLY',
    'a firing of a schedule that was removed',
    () => scheduled([CREATED, ['schedule.removed'], fires(TASK_9)]),
  ],
  [
    'FIRED_WRONGLY',
    'a firing before its time',
    () => scheduled([CREATED, fires(TASK_9, { at: '2026-11-25T20:46:06.999Z' })]),
  ],
  [
    'FIRED_WRONGLY',
    'a task of a schedule that has not fired',
    () => changed('tasks', 9, data({ schedule: { scheduleId: 'nightly', dueAt: DUE } })),
  ],
  [
    'SUBMISSION_LOST',
    'a stored submission that nobody decided, before one that was',
    log,
    {
      also: (audit) => audit.submission({ seq: 5, commandId: 'c-5', id: 'nobody', workspace: 'default' }),
    },
  ],
  [
    'WORKFLOW_INCOMPLETE',
    'a workflow of which one task never begins',
    () => {
      const found = log();
      const task = at(found.tasks, 9);
      const workflow = {
        ...task,
        type: 'workflow.submitted',
        data: { workflowId: 'w', tasks: [{ taskId: task.data['taskId'] }, { taskId: 'another' }] },
      };
      found.tasks = written([...found.tasks.slice(0, 8), workflow, ...found.tasks.slice(8)]);
      return found;
    },
  ],
  [
    'WORKFLOW_INCOMPLETE',
    'a workflow at the end of a log at rest',
    () => {
      const found = log();
      const data = { workflowId: 'w', tasks: [{ taskId: 'another' }] };
      found.tasks = written([
        ...found.tasks,
        { ...at(found.tasks, 33), type: 'workflow.submitted', data, causationId: '' },
      ]);
      return found;
    },
    { settled: true },
  ],
  ['SUBMITTED_TWICE', 'an ended task that begins again', () => again('tasks', 9)],
  [
    'SUBMITTED_TWICE',
    'an open task that begins again',
    () => changed('tasks', 8, () => at(lines('tasks'), 5)),
  ],
  ['NOT_SUBMITTED', 'a task without its beginning', () => without('tasks', 9)],
  [
    'NOT_SUBMITTED',
    'an attempt of a step that the task does not have',
    () => changed('tasks', 10, data({ stepId: 'other' })),
  ],
  ['ENDED_TWICE', 'a second end', () => again('tasks', 11)],
  [
    'ENDED_TOO_EARLY',
    'an end after the first of two steps',
    () => changed('tasks', 24, (record) => ({ ...record, type: 'task.completed' })),
  ],
  [
    'EXPIRED_WRONGLY',
    'a task that fails for its time in the queue before that is over',
    () => {
      const found = changed('tasks', 17, data({ queueTtlMs: HOUR_MS }));
      found.tasks = written(found.tasks.map((record) => (record.seq === 23 ? expired(record) : record)));
      return found;
    },
  ],
  [
    'EXPIRED_WRONGLY',
    'a task that fails for its time in the queue though it has started',
    () => {
      const found = changed('tasks', 9, data({ queueTtlMs: 1 }));
      found.tasks = written(
        found.tasks.map((record) =>
          record.seq === 11 ? expired({ ...failed(BROKEN)(record), type: 'task.failed' }) : record,
        ),
      );
      return found;
    },
  ],
  [
    'STARTED_TOO_EARLY',
    'an attempt before the time that was asked for',
    () => changed('tasks', 9, data({ runAt: new Date(anHourLater).toISOString() })),
  ],
  [
    'CONDITION_PASSED_OVER',
    'a step that starts before it was decided whether it runs',
    () => changed('tasks', 9, (record) => data({ steps: stepsWith(record, { conditional: true }) })(record)),
  ],
  [
    'CONDITION_DECIDED_WRONGLY',
    'a decision about a step that always runs',
    () => changed('tasks', 8, () => decided('step.admitted')),
  ],
  [
    'CONDITION_DECIDED_WRONGLY',
    'a step that is left out though it has no condition, and starts all the same',
    () => {
      const found = changed('tasks', 11, (record) =>
        data({ step: undefined, skipped: (record.data['step'] as { stepId: string }).stepId })(record),
      );
      return found;
    },
  ],
  [
    'ITEMS_WRONGLY',
    'a step that starts although its items should',
    () =>
      changed('tasks', 9, (record) =>
        data({ steps: stepsWith(record, { forEach: { concurrency: 1 } }) })(record),
      ),
  ],
  [
    'ITEMS_WRONGLY',
    'items of a step that runs once',
    () =>
      changed('tasks', 8, () => {
        const { data: said, ...record } = decided('step.expanded');
        return { ...record, data: { ...said, items: 2 } };
      }),
  ],
  [
    'ITEMS_WRONGLY',
    'an item that starts before it was said how many there are',
    () => {
      const found = changed('tasks', 9, (record) =>
        data({ steps: stepsWith(record, { forEach: { concurrency: 1 } }) })(record),
      );
      found.tasks = written(
        found.tasks.map((record) =>
          record.seq === 10 ? data({ stepId: `${String(record.data['stepId'])}[7]` })(record) : record,
        ),
      );
      return found;
    },
  ],
  [
    'ABANDONED_WRONGLY',
    'a task that goes on without a step that must not fail',
    () => changed('tasks', 24, (record) => ({ ...failed(BROKEN)(record), type: 'step.abandoned' })),
  ],
  [
    'ABANDONED_WRONGLY',
    'a task that is complete without a step that must not fail',
    () =>
      changed('tasks', 11, (record) =>
        data({ step: undefined, abandoned: failed(BROKEN)(record).data['step'] })(record),
      ),
  ],
  [
    'FINALLY_WRONGLY',
    'a task that is complete without the step at its end',
    () =>
      changed('tasks', 9, (record) =>
        data({ steps: [...stepsWith(record, {}), ...stepsWith(record, { id: 'report', atEnd: AT_END })] })(
          record,
        ),
      ),
  ],
  [
    'FINALLY_WRONGLY',
    'a step at the end of its task that starts before that has come',
    () => changed('tasks', 9, (record) => data({ steps: stepsWith(record, { atEnd: AT_END }) })(record)),
  ],
  [
    'FINALLY_WRONGLY',
    'an end that comes for a task without steps that run then',
    () => changed('tasks', 8, () => finishing({ status: 'cancelled', reason: 'x', stopped: [] })),
  ],
  [
    'FINALLY_WRONGLY',
    'a task that ends otherwise than it had come to its end, because of a time that was not over',
    () => {
      const found = changed('tasks', 9, (record) =>
        data({ steps: [...stepsWith(record, {}), ...stepsWith(record, { id: 'report', atEnd: AT_END })] })(
          record,
        ),
      );
      const [ended, next] = [at(found.tasks, 11), at(found.tasks, 12)];
      const {
        taskId,
        type: _,
        result,
        ...last
      } = { type: '', ...ended.data, result: null } as Record<string, unknown>;
      const end = { status: 'completed', result, last };
      const told = {
        ...ended,
        type: 'task.finishing',
        data: { taskId, end, until: next.time, at: ended.time },
      };
      const cut = {
        ...ended,
        type: 'task.failed',
        data: { taskId, failure: BROKEN, stopped: [], cut: 'time', at: '2026-01-01T00:00:00.000Z' },
      };
      found.tasks = written([...found.tasks.slice(0, 10), told, cut, ...found.tasks.slice(11)]);
      return found;
    },
  ],
  ['STILL_OPEN', 'a task without an end, in a log at rest', () => without('tasks', 33), { settled: true }],
  [
    'RERUN_WRONGLY',
    'a task that repeats one that is not over',
    () => changed('tasks', 9, data({ rerunOf: at(lines('tasks'), 5).taskId })),
  ],
  [
    'RERUN_WRONGLY',
    'a task that keeps a step that was not done before',
    () =>
      changed(
        'tasks',
        19,
        data({ rerunOf: at(lines('tasks'), 9).taskId, kept: [{ stepId: 'x', output: 1 }] }),
      ),
  ],
  [
    'RERUN_WRONGLY',
    'a task that keeps a step and repeats nothing',
    () => changed('tasks', 19, data({ kept: [{ stepId: 'noop', output: 1 }] })),
  ],
  [
    'NEEDS_NOT_DONE',
    'a task that starts before the one that it depends on has ended',
    () => changed('tasks', 12, data({ dependsOn: [at(lines('tasks'), 5).taskId] })),
  ],
  [
    'NEEDS_NOT_DONE',
    'a task that depends on none that is known',
    () => changed('tasks', 19, data({ dependsOn: ['nobody'] })),
  ],
  [
    'NEEDS_NOT_DONE',
    'a task that starts before one has ended whose failure it would pass over',
    () => {
      const taskId = at(lines('tasks'), 17).taskId;
      const needs = [{ task: 'first', taskId, onFailure: 'continue' }];
      return changed(
        'tasks',
        19,
        data({ dependsOn: [taskId], workflow: { workflowId: 'w', task: 'second', needs, uses: [] } }),
      );
    },
  ],
  ['NEEDS_NOT_DONE', 'a step that starts before the one it needs', () => without('tasks', 24)],
  [
    'MEMORY_OVERCOMMITTED',
    'a load of more than there is',
    () => changed('leases', 21, data({ bytes: 4 * 1024 ** 3 })),
  ],
  [
    'MEMORY_OVERCOMMITTED',
    'a model that turns out larger than what is left',
    () => changed('leases', 22, data({ bytes: 4 * 1024 ** 3 })),
  ],
  ['MEMORY_OVERCOMMITTED', 'a load before the other model is gone', () => without('leases', 20)],
  [
    'MEMORY_OVERCOMMITTED',
    "a load beside somebody else's model",
    () => changed('leases', 4, data({ foreign: [{ model: 'other:7b', bytes: 2.5 * 1024 ** 3 }] })),
  ],
  ['SLOTS_OVERCOMMITTED', 'two leases of one slot', () => changed('leases', 5, data({ slots: 1 }))],
  ['PLACE_NOT_OPEN', 'leases of a model that is still being loaded', () => without('leases', 6)],
  [
    'PLACE_NOT_OPEN',
    'a CPU slot on a server that has none',
    () =>
      changed('leases', 8, (record) => data({ serverId: (sim as { serverId: string }).serverId })(record)),
  ],
  [
    'PLACE_NOT_OPEN',
    'leases on a server that is being drained',
    () =>
      changed('leases', 4, (record) => ({ ...data({ reason: 'x' })(record), type: 'server.drain-started' })),
  ],
  [
    'UNLOADED_IN_USE',
    'an unload under a lease',
    () =>
      changed('leases', 9, (record) => ({
        ...record,
        type: 'residency.unload-started',
        data: {
          serverId: first['serverId'],
          residencyId: (first['leases'] as readonly { residencyId: string }[])[0]?.residencyId,
          reason: 'room',
        },
      })),
  ],
  [
    'UNLOADED_IN_USE',
    'a server that goes under a lease',
    () =>
      changed('leases', 9, (record) => ({
        ...record,
        type: 'server.removed',
        data: { serverId: first['serverId'] },
      })),
  ],
  ['STARTED_TWICE', 'a second attempt while the first one counts', () => without('tasks', 31)],
  ['ATTEMPTS_OUT_OF_ORDER', 'an attempt that is left out', () => changed('tasks', 32, data({ attempt: 3 }))],
  [
    'ATTEMPTS_OUT_OF_ORDER',
    'a token that is older than the last',
    () =>
      changed(
        'tasks',
        20,
        data({ lease: { ...(at(lines('tasks'), 20).data['lease'] as object), token: 99 } }),
      ),
  ],
  [
    'NOT_THE_CURRENT_ATTEMPT',
    'the outcome of an attempt that was given up',
    () => changed('tasks', 33, data({ step: { ...step33, ...zombie } })),
  ],
  [
    'NOT_GRANTED',
    'a token that no grant has',
    () => changed('tasks', 10, data({ lease: { ...lease, token: lease.token + 1 } })),
  ],
  [
    'SECRET_WRONGLY',
    'a value in the place of a reference',
    () => changed('tasks', 10, data({ input: { text: 'abc' }, secrets })),
  ],
  [
    'SECRET_WRONGLY',
    'secrets of another template',
    () => changed('tasks', 10, data({ input: named, secrets: { ...secrets, template: 'other' } })),
  ],
  [
    'SECRET_WRONGLY',
    'a secret that the template does not name',
    () => changed('tasks', 10, data({ input: named, secrets: { ...secrets, all: ['other'] } })),
  ],
  [
    'ARTIFACT_WRONGLY',
    'two artifacts at one place',
    () => changed('tasks', 24, data({ step: { ...step24, artifacts: [artifact, artifact] } })),
  ],
  ['ARTIFACT_WRONGLY', 'an artifact that is removed and was never stored', () => andThen('tasks', removal())],
  [
    'ARTIFACT_WRONGLY',
    'an artifact that is removed twice',
    () => andThen('tasks', stored, removal(), removal()),
  ],
  [
    'ARTIFACT_WRONGLY',
    'an artifact that is removed as another one than was stored',
    () => andThen('tasks', stored, removal({ digest: 'sha256:other' })),
  ],
  [
    'ARTIFACT_WRONGLY',
    'an artifact of a task that goes on',
    () => changed('tasks', 25, (record) => ({ ...record, ...removal() })),
  ],
  ['NOT_GRANTED', 'an attempt without any grant', () => without('leases', 8)],
  ['GRANTED_TWICE', 'a lease that expired and is granted again', () => again('leases', 13)],
  [
    'GRANTED_TWICE',
    'a lease that is granted while it is live',
    () => changed('leases', 9, () => at(lines('leases'), 8)),
  ],
  [
    'GRANTED_TWICE',
    'two attempts under one lease',
    () => changed('tasks', 32, data({ lease: at(lines('tasks'), 20).data['lease'] })),
  ],
  ['NOT_LIVE', 'a lease that is released twice', () => again('leases', 9)],
  [
    'STARTED_LATE',
    'a start after the moment that was promised',
    () => changed('tasks', 9, data({ promise: promiseUntil(at(lines('tasks'), 9).time) })),
  ],
  [
    'STARTED_LATE',
    'a task that still waits, an hour later',
    () => {
      const found = log();
      const { data: given, ...record } = at(found.tasks, 9);
      const time = new Date(Date.parse(at(found.tasks, 33).time) + 60_000).toISOString();
      const promise = promiseUntil(time);
      const waiting = { ...given, taskId: 'waiting', submittedAt: time, promise };
      found.tasks = written([...found.tasks, { ...record, time, taskId: 'waiting', data: waiting }]);
      return found;
    },
    { nowMs: anHourLater },
  ],
  ...(['queue', 'workspace:default', 'template:noop', 'server:cpu'] as const).map((scope): Plant => [
    'STARTED_WHILE_PAUSED',
    `an attempt while ${scope} is paused`,
    () => changed('tasks', 8, (record) => ({ ...record, type: 'scheduling.paused', data: { scope } })),
  ]),
  ['STARTED_WHILE_ENDING', 'an attempt after a cancel', () => swapped('tasks', 7, 25)],
  ['ENDED_WHILE_RUNNING', 'a cancel that stops nothing', () => changed('tasks', 26, data({ stopped: [] }))],
  [
    'SLOT_GIVEN_AWAY',
    'a release before the end',
    () => changed('leases', 18, (record) => ({ ...record, causationId: 'tsk:25' })),
  ],
  ['SLOT_GIVEN_AWAY', 'a release of an attempt that is under way', () => without('tasks', 33)],
  [
    'SLOT_GIVEN_AWAY',
    'a release long ago, without a word in the other stream',
    () => ({
      ...without('tasks', 33),
      leases: changed('leases', 33, (record) => ({ ...record, causationId: '' })).leases,
    }),
    { nowMs: anHourLater },
  ],
  ['LEASE_LEFT_BEHIND', 'an ended attempt whose slot is not freed', () => without('leases', 18)],
  [
    'LEASE_LEFT_BEHIND',
    'the newest attempt, an hour later',
    () => without('leases', 33),
    { nowMs: anHourLater },
  ],
  [
    'LEASE_LEFT_BEHIND',
    'a grant that nobody used, an hour later',
    () => ({ tasks: without('tasks', 32, 33).tasks, leases: without('leases', 33).leases }),
    { nowMs: anHourLater },
  ],
  [
    'LEASE_GONE',
    'an attempt that goes on without its lease',
    () => ({ tasks: without('tasks', 31, 32, 33).tasks, leases: without('leases', 32, 33).leases }),
    { nowMs: anHourLater },
  ],
  ['EVENTS_MISSING', 'a hole', () => ({ ...log(), tasks: log().tasks.filter(({ seq }) => seq !== 8) })],
  ['EVENTS_MISSING', 'an end that cannot be read', log, { also: (audit) => audit.endsAt('leases', 34) }],
  ['EVENTS_MISSING', 'a missing beginning', () => ({ ...log(), leases: log().leases.slice(1) })],
  [
    'EVENTS_MISSING',
    'an event that comes twice',
    () => ({
      ...log(),
      tasks: log().tasks.flatMap((record) => (record.seq === 9 ? [record, record] : [record])),
    }),
  ],
  [
    'HASH_BROKEN',
    'data that were changed',
    () => raw('tasks', 9, (record) => ({ ...record, payload: record.payload.replace('one', 'two') })),
  ],
  ...(['id', 'type', 'time', 'subject', 'taskId', 'workspace', 'correlationId', 'causationId'] as const).map(
    (name): Plant => [
      'HASH_BROKEN',
      `another ${name}`,
      () => raw('tasks', 9, (record) => ({ ...record, [name]: `${record[name] ?? ''}x` })),
    ],
  ),
  ['MOVED_WRONGLY', 'a task of which all runs', () => movedAt8(running, { kind: 'front' })],
  [
    'MOVED_WRONGLY',
    'a task that is moved next to one of which all runs',
    () => movedAt8(queued, { kind: 'after', taskId: running }),
  ],
  [
    'MOVED_WRONGLY',
    'a task that is moved next to nobody',
    () => movedAt8(queued, { kind: 'before', taskId: 'nobody' }),
  ],
  [
    'MOVED_WRONGLY',
    'a task that is moved next to itself',
    () => movedAt8(queued, { kind: 'before', taskId: queued }),
  ],
  [
    'MOVED_WRONGLY',
    'a task that is moved next to one of another workspace',
    () => {
      const found = movedAt8(queued, { kind: 'before', taskId: 'elsewhere' });
      found.tasks = written(
        found.tasks.map((record) =>
          record.seq === 7
            ? {
                ...at(lines('tasks'), 4),
                seq: 7,
                taskId: 'elsewhere',
                data: { ...at(lines('tasks'), 4).data, taskId: 'elsewhere', workspace: 'lab' },
              }
            : record,
        ),
      );
      return found;
    },
  ],
  [
    'GENESIS_WRONG',
    'a log that begins in the middle',
    () => changed('tasks', 1, (record) => ({ ...record, type: 'leader.elected' })),
  ],
  [
    'WRITER_WRONG',
    'an event of a writer that was deposed',
    () => {
      const found = changed('tasks', 8, (record) => ({ ...record, type: 'leader.elected', data: {} }));
      found.tasks = chained(
        found.tasks.map((record) => (record.seq === 9 ? { ...record, epoch: 1 } : record)),
      );
      return found;
    },
  ],
  [
    'NOT_READABLE',
    'data that are not as their type says',
    () => changed('tasks', 24, ({ taskId, ...record }) => ({ ...record, data: { taskId } })),
  ],
  ['NOT_READABLE', 'an event of the other stream', () => changed('tasks', 8, () => at(lines('leases'), 7))],
  ['NOT_READABLE', 'a fact about a server that is not there', () => without('leases', 2)],
];

describe('the audit of a log', () => {
  it('does not mind that a slot is freed later whose attempt ran out of time without being seen to stop', () => {
    const failedWith = (confirmed: boolean): Log => ({
      tasks: changed('tasks', 11, (record) => ({
        ...failed({ code: 'STEP_TIMED_OUT', message: 'late', details: { confirmed } })(record),
        type: 'task.failed',
      })).tasks,
      leases: without('leases', 9).leases,
    });
    const found = (planted: Log) => audited(planted).findings.map(({ rule }) => rule);
    expect(found(failedWith(true))).toContain('LEASE_LEFT_BEHIND');
    expect(found(failedWith(false))).not.toContain('LEASE_LEFT_BEHIND');
  });

  it('does not mind an unload that ends the work of a lease whose attempt is over', () => {
    const [used] = first['leases'] as readonly { residencyId: string; leaseId: string }[];
    const unload = (endsLease?: string) =>
      changed('leases', 9, (record) => ({
        ...record,
        type: 'residency.unload-started',
        data: { serverId: first['serverId'], residencyId: used?.residencyId, reason: 'stop', endsLease },
      }));
    // Others use the model too, and that is found in any case.
    const found = (planted: Log) =>
      audited(planted).findings.find(({ rule, seq }) => rule === 'UNLOADED_IN_USE' && seq === 9)?.message;
    expect(found(unload())).toContain(used?.leaseId);
    expect(found(unload(used?.leaseId))).not.toContain(used?.leaseId);
  });

  it('does not mind a task that waits and is moved', () => {
    expect(audited(movedAt8(queued, { kind: 'front' })).counts).not.toHaveProperty('MOVED_WRONGLY');
  });

  it('finds nothing in what a platform really wrote', () => {
    const also = (audit: LogAudit): void => audit.endsAt('tasks', 33);
    const report = audited(log(), { settled: true, also });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({
      sound: true,
      read: { tasks: 33, leases: 33 },
      tasks: { open: 0, over: 8 },
      attempts: 9,
      leases: 9,
      servers: 2,
    });
  });

  it('finds nothing wrong with an attempt whose input names its secrets', () => {
    const { findings } = audited(changed('tasks', 10, data({ input: named, secrets })));
    expect(findings).toEqual([]);
  });

  it('finds nothing wrong with a schedule that fires, is paused, fires by hand and is resumed', () => {
    // Facts that were put in move all that comes behind them, which other promises are about.
    const found = (planted: Log) => audited(planted).findings.filter(({ promise }) => promise === 11);
    const byHand = fires(TASK_9, { byHand: true });
    expect(found(scheduled([CREATED, ['schedule.paused'], byHand], [['schedule.resumed']]))).toEqual([]);
    expect(found(scheduled([CREATED, fires(TASK_9)]))).toEqual([]);
    expect(found(scheduled([CREATED, fires(TASK_9), ['leader.elected']]))).toEqual([]);
  });

  it('finds nothing in any beginning of it: what is under way is not wrong', () => {
    const { tasks, leases } = log();
    for (let seq = 0; seq <= tasks.length; seq += 1) {
      const until = tasks[seq - 1]?.time ?? '';
      const seen = leases.filter(({ time }) => time <= until);
      // What LEASES tells of TASKS behind the cut is known to nobody yet.
      const told = { tasks: tasks.slice(0, seq), leases: seen };
      expect([seq, audited(told, { nowMs: Date.parse(until) || 0 }).findings]).toEqual([seq, []]);
    }
  });

  it.each(PLANTS.map(([rule, what, planted, given = {}]) => ({ rule, what, planted, given })))(
    'finds $rule: $what',
    ({ rule, planted, given }) => {
      const report = audited(planted(), given);
      expect(Object.keys(report.counts)).toContain(rule);
      expect(report.sound).toBe(false);
      expect(report.findings.find((finding) => finding.rule === rule)).toMatchObject({
        promise: RULES[rule].promise,
        message: expect.any(String),
      });
    },
  );

  it('is tried on every rule, but for the one that needs a scheduler', () => {
    const tried = new Set(PLANTS.map(([rule]) => rule));
    expect(Object.keys(RULES).filter((rule) => !tried.has(rule as RuleName))).toEqual(['STATE_DIFFERS']);
  });

  it('keeps a hundred findings of a rule and counts the others', () => {
    const audit = new LogAudit();
    for (let seq = 1; seq <= 150; seq += 1) audit.unreadable('TASKS', seq, 'damaged');
    const report = audit.report({ nowMs: 0, settled: false });
    expect(report.findings).toHaveLength(100);
    expect(report.counts).toEqual({ NOT_READABLE: 150 });
  });
});
