import { ITEM_STATUSES, TASK_STATUSES } from '#libs/contracts/queries.js';
import {
  anything,
  code,
  count,
  exactly,
  labels,
  listOf,
  orNull,
  ref,
  text,
  texts,
  time,
  type SchemaObject,
} from './schema-parts.js';
import { artifacts } from './artifact-schemas.js';
import { explanations } from './explanation-schemas.js';
import { notifications } from './notification-schemas.js';
import { plugins } from './plugin-schemas.js';
import { schedules } from './schedule-schemas.js';
import { templates } from './template-schemas.js';
import { waitings } from './waiting-schemas.js';
import { workflows } from './workflow-schemas.js';

/** Schemas of what the API answers. A test holds real answers to them, so they say what is there and nothing else. */
export const schemaRef = (name: keyof typeof SCHEMAS): { $ref: string } => ({
  $ref: `#/components/schemas/${name}`,
});

const status: SchemaObject = { type: 'string', enum: [...TASK_STATUSES] };
const templateRef = exactly({ name: text, version: text });

/** What a submission said of when; null where it said nothing. */
const queueTimes = { run_at: orNull(time), deadline_at: orNull(time), queue_ttl_ms: orNull(count) };

const tasks = {
  Failure: exactly({ code, message: text, details: { type: 'object' } }, ['details']),
  Submitted: exactly({
    id: text,
    status: {
      type: 'string',
      enum: ['queued', 'accepted'],
      description: '`accepted`: stored, not decided yet.',
    },
    workspace: text,
    priority: count,
    template: templateRef,
    depends_on: texts,
    labels,
    created_at: time,
    ...queueTimes,
    rerun_of: orNull(text),
    status_url: text,
  }),
  Undecided: exactly({ id: text, status: { type: 'string', enum: ['accepted'] }, status_url: text }),
  Stored: exactly({ status: { type: 'string', enum: ['accepted'] } }),
  TasksCancelled: exactly({
    matched: count,
    cancelled: { ...count, description: 'Over at once.' },
    stopping: { ...count, description: 'Asked to stop.' },
    more: { type: 'boolean', description: 'Whether more tasks fit; send the same again.' },
    ids: exactly({ cancelled: texts, stopping: texts }),
  }),
  Task: exactly({
    id: text,
    workspace: text,
    status,
    priority: count,
    template: templateRef,
    parameters: { type: 'object' },
    depends_on: texts,
    workflow_id: orNull(text),
    labels,
    created_at: time,
    ...queueTimes,
    rerun_of: orNull(text),
    parent: {
      ...orNull(exactly({ task_id: text, step_id: text })),
      description: 'The step of another task that submitted it, and waits for it.',
    },
    started_at: orNull(time),
    ended_at: orNull(time),
    cancel_requested_at: orNull(time),
    moved: {
      ...orNull(ref('Moved')),
      description: 'Where somebody has put it in the queue; null where priority and age say its place.',
    },
    finishing: {
      ...orNull(
        exactly({
          status: { type: 'string', enum: ['completed', 'failed', 'cancelled'] },
          since: time,
          until: time,
        }),
      ),
      description:
        'While only the steps at its end run (`finally`): how all others have ended, since when, and until when these may.',
    },
    result: anything,
    error: orNull(ref('Failure')),
    last_error: {
      ...orNull(ref('LastError')),
      description: 'What it failed with; while it is open, its latest failed attempt.',
    },
    steps: listOf('Step'),
    attempts: listOf('Attempt'),
    resource_usage: ref('ResourceUsage'),
    last_seq: { ...count, description: 'Sequence of the last event that this view includes.' },
  }),
  Moved: exactly({
    to: { type: 'string', enum: ['front', 'back', 'before', 'after'] },
    task: { ...orNull(text), description: 'The one that it was put before or behind.' },
    reason: text,
    by: text,
    at: time,
  }),
  LastError: exactly({
    code,
    message: text,
    step_id: orNull(text),
    attempt: orNull(count),
    server_id: orNull(text),
    at: orNull(time),
  }),
  Step: exactly(
    {
      id: text,
      type: text,
      needs: texts,
      status: {
        type: 'string',
        enum: ['pending', 'running', 'waiting', 'completed', 'failed', 'cancelled', 'skipped', 'kept'],
        description:
          '`waiting`: for a time, for people or for a task. `skipped`: its condition was false. `kept`: as it ended in the task that this one repeats.',
      },
      waits_for: { ...text, description: 'Only where nobody serves its step type now.' },
      output: { ...anything, description: 'That of a step with items is in its items.' },
      items: orNull(ref('ItemCounts')),
      waiting: orNull(ref('Waiting')),
      finally: { type: 'boolean', description: 'Whether it runs at the end of its task, however that came.' },
      error: {
        ...orNull(ref('Failure')),
        description: 'Why such a step could not begin; failures of attempts stand there.',
      },
    },
    ['waits_for'],
  ),
  ItemCounts: exactly({ total: count, completed: count, failed: count, running: count }),
  Item: exactly({
    index: count,
    status: {
      type: 'string',
      enum: [...ITEM_STATUSES],
      description: '`pending`: it is to be tried again.',
    },
    attempts: count,
    output: anything,
    error: orNull(ref('Failure')),
    started_at: orNull(time),
    ended_at: orNull(time),
  }),
  ItemPage: exactly({ counts: ref('ItemCounts'), items: listOf('Item'), next: orNull(text) }),
  Attempt: exactly({
    step_id: text,
    attempt: count,
    server_id: text,
    lease_id: text,
    dispatched_at: time,
    started_at: orNull(time),
    ended_at: orNull(time),
    outcome: { type: 'string', enum: ['running', 'completed', 'failed', 'cancelled'] },
    error: orNull(ref('Failure')),
    usage: orNull({ type: 'object', description: 'Durations in milliseconds, tokens and bytes.' }),
  }),
  ResourceUsage: exactly({
    models: texts,
    load_ms: { type: 'number' },
    prompt_ms: { type: 'number' },
    generation_ms: { type: 'number' },
    tokens_in: count,
    tokens_out: count,
    vram_bytes_max: orNull(count),
  }),
  TaskPage: exactly({ items: listOf('Task'), next: orNull(text), previous: orNull(text) }),
  StatusCounts: exactly({
    total: count,
    by_status: { type: 'object', additionalProperties: count },
    by_template: { type: 'array', items: exactly({ template: text, status, count }) },
  }),
  Event: exactly({
    seq: count,
    id: text,
    type: text,
    time,
    caused_by: orNull(text),
    epoch: count,
    hash: text,
    data: { type: 'object' },
  }),
  EventPage: exactly({ items: listOf('Event'), next_after_seq: orNull(count) }),
} satisfies Record<string, SchemaObject>;

const operations = {
  ServerList: exactly({ items: listOf('Server') }),
  Server: exactly({
    id: text,
    kind: { enum: ['cpu', 'ollama'], description: '`cpu` offers slots for steps that need no model.' },
    url: orNull({ ...text, description: 'Without the password, if it has one.' }),
    state: {
      enum: ['unknown', 'up', 'down', 'suspect', 'draining', 'drained'],
      description: 'Work is placed where it is `up`.',
    },
    reason: orNull({ ...text, description: 'Why it is down or suspect.' }),
    drain: orNull(exactly({ reason: text, since: time })),
    version: orNull(text),
    source: { enum: ['file', 'api'], description: 'Who manages it.' },
    device: { enum: ['gpu', 'cpu'] },
    slots: count,
    labels,
    pull_missing: { type: 'boolean' },
    gpu: orNull({ ...text, description: 'Name of its GPU, where its memory was read from the driver.' }),
    vram_bytes: count,
    vram_free_bytes: { type: 'integer', description: 'Below 0 where others hold what is ours.' },
    foreign: { type: 'array', items: exactly({ model: text, bytes: count }) },
    residencies: listOf('Residency'),
    leases: listOf('Lease'),
  }),
  Residency: exactly({
    id: text,
    model: text,
    options: { type: 'object' },
    state: { enum: ['loading', 'loaded', 'unloading'] },
    bytes: count,
    slots: count,
    slots_busy: count,
    since: time,
  }),
  Lease: exactly({
    id: text,
    token: count,
    task_id: text,
    step_id: text,
    attempt: count,
    residency_id: orNull(text),
    expires_in_ms: count,
  }),
  Live: exactly({ status: { const: 'live' } }),
  Ready: exactly({ ready: { const: true }, services: { type: 'object' } }),
  Problem: exactly(
    {
      type: text,
      title: text,
      status: count,
      detail: text,
      instance: text,
      code,
      errors: { type: 'array', items: ref('FieldProblem') },
      details: { type: 'object' },
    },
    ['errors', 'details'],
  ),
  FieldProblem: exactly({ path: text, value: anything, message: text, accepted: text }, [
    'value',
    'accepted',
  ]),
} satisfies Record<string, SchemaObject>;

export const SCHEMAS = {
  ...tasks,
  ...workflows,
  ...schedules,
  ...waitings,
  ...notifications,
  ...templates,
  ...explanations,
  ...plugins,
  ...artifacts,
  ...operations,
};
