import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { AttemptState, ItemState, NewTask, StepState, TaskDoc } from '../task-doc.js';
import type { TaskChanges } from '../task-view.projection.js';
import { indexText } from './index-text.js';
import { insertRows, keepIfNull, updateRows, type Column } from './rows.js';

/** Writes what a batch changed. Runs inside the transaction that moves the checkpoint. */
export const writeTaskChanges = async (em: SqlEntityManager, changes: TaskChanges): Promise<void> => {
  const { fresh, changed, newSteps, steps, items, attempts, labels, counts } = rowsOf(changes);
  await insertRows(em, 'task', TASK_INSERT, '(seq) do nothing', fresh);
  await insertRows(em, 'task_label', LABEL, '(task_seq, key) do nothing', labels);
  await insertRows(em, 'task_step', STEP_INSERT, '(task_seq, position) do nothing', newSteps);
  await updateRows(em, 'task', TASK_KEY, TASK_UPDATE, changed, ' and cast(v.column2 as bigint) > t.last_seq');
  await updateRows(em, 'task_step', STEP_KEY, STEP_UPDATE, steps);
  await insertRows(em, 'task_item', ITEM, ITEM_CONFLICT, items);
  await insertRows(em, 'attempt', ATTEMPT, ATTEMPT_CONFLICT, attempts);
  await insertRows(em, 'task_count', COUNT, COUNT_CONFLICT, counts);
};

type Fresh = { readonly doc: TaskDoc; readonly facts: NewTask };
type StepRow = StepState & { readonly taskSeq: number };
type ItemRow = ItemState & { readonly taskSeq: number };
type NewStepRow = StepRow & NewTask['steps'][number];
type AttemptRow = AttemptState & { readonly taskSeq: number };
type LabelRow = { readonly taskSeq: number; readonly key: string; readonly value: string };
type CountRow = {
  readonly workspace: string;
  readonly template: string;
  readonly status: string;
  tasks: number;
};

type Rows = {
  readonly fresh: Fresh[];
  readonly changed: TaskDoc[];
  readonly newSteps: NewStepRow[];
  readonly steps: StepRow[];
  readonly items: ItemRow[];
  readonly attempts: AttemptRow[];
  readonly labels: LabelRow[];
  readonly counts: readonly CountRow[];
};

/** What is the same object before and after has not changed and is not written. */
const rowsOf = ({ docs, before, submitted }: TaskChanges): Rows => {
  const counts = new Counts();
  const rows: Rows = {
    fresh: [],
    changed: [],
    newSteps: [],
    steps: [],
    items: [],
    attempts: [],
    labels: [],
    counts: counts.rows,
  };
  for (const doc of docs.values()) {
    const facts = submitted.get(doc.id);
    const old = before.get(doc.id);
    if (facts) {
      rows.fresh.push({ doc, facts });
      for (const [key, value] of facts.labelPairs) rows.labels.push({ taskSeq: doc.seq, key, value });
      for (const [position, spec] of facts.steps.entries()) {
        const state = doc.steps[position];
        if (state) rows.newSteps.push({ ...state, ...spec, taskSeq: doc.seq });
      }
    } else {
      rows.changed.push(doc);
      for (const [position, step] of doc.steps.entries()) {
        if (step !== old?.steps[position]) rows.steps.push({ ...step, taskSeq: doc.seq });
      }
    }
    for (const item of doc.items) rows.items.push({ ...item, taskSeq: doc.seq });
    for (const attempt of doc.attempts) {
      if (!old?.attempts.includes(attempt)) rows.attempts.push({ ...attempt, taskSeq: doc.seq });
    }
    if (old?.state.status === doc.state.status) continue;
    if (old) counts.add(old, -1);
    counts.add(doc, 1);
  }
  return rows;
};

/** Changes of the counters, merged per counter: PostgreSQL refuses to touch one row twice in a statement. */
class Counts {
  readonly rows: CountRow[] = [];
  readonly #byKey = new Map<string, CountRow>();

  add({ workspace, templateName: template, state: { status } }: TaskDoc, tasks: number): void {
    const key = JSON.stringify([indexText(workspace), indexText(template), status]);
    const known = this.#byKey.get(key);
    if (known) {
      known.tasks += tasks;
      return;
    }
    const row = { workspace, template, status, tasks };
    this.#byKey.set(key, row);
    this.rows.push(row);
  }
}

const text = <Row>(name: string, of: Column<Row>['of']): Column<Row> => ({ name, type: 'text', of });
const number = <Row>(name: string, of: Column<Row>['of']): Column<Row> => ({ name, type: 'bigint', of });

const TASK_INSERT: readonly Column<Fresh>[] = [
  number('seq', ({ doc }) => doc.seq),
  text('id', ({ doc }) => doc.id),
  number('last_seq', ({ doc }) => doc.state.lastSeq),
  text('workspace', ({ doc }) => indexText(doc.workspace)),
  text('status', ({ doc }) => doc.state.status),
  number('priority', ({ doc }) => doc.state.priority),
  text('template_name', ({ doc }) => indexText(doc.templateName)),
  text('template_version', ({ facts }) => facts.templateVersion),
  text('parameters', ({ facts }) => facts.parameters),
  text('depends_on', ({ facts }) => facts.dependsOn),
  text('labels', ({ facts }) => facts.labels),
  text('created_at', ({ facts }) => facts.createdAt),
  text('run_at', ({ facts }) => facts.runAt),
  text('deadline_at', ({ facts }) => facts.deadlineAt),
  number('queue_ttl_ms', ({ facts }) => facts.queueTtlMs),
  text('rerun_of', ({ facts }) => facts.rerunOf),
  text('parent_task_id', ({ facts }) => facts.parentTaskId),
  text('parent_step_id', ({ facts }) => facts.parentStepId),
  text('started_at', ({ doc }) => doc.state.startedAt),
  text('ended_at', ({ doc }) => doc.state.endedAt),
  text('cancel_requested_at', ({ doc }) => doc.state.cancelRequestedAt),
  text('moved', ({ doc }) => doc.state.moved),
  text('finishing', ({ doc }) => doc.state.finishing),
  text('result', ({ doc }) => doc.state.result),
  text('error', ({ doc }) => doc.state.error),
  text('workflow_id', ({ facts }) => facts.workflowId),
];

const TASK_KEY: readonly Column<TaskDoc>[] = [number('seq', ({ seq }) => seq)];
const TASK_UPDATE = [
  number('last_seq', ({ state }: TaskDoc) => state.lastSeq),
  text('status', ({ state }: TaskDoc) => state.status),
  number('priority', ({ state }: TaskDoc) => state.priority),
  text('started_at', ({ state }: TaskDoc) => state.startedAt),
  text('ended_at', ({ state }: TaskDoc) => state.endedAt),
  text('cancel_requested_at', ({ state }: TaskDoc) => state.cancelRequestedAt),
  text('moved', ({ state }: TaskDoc) => state.moved),
  text('finishing', ({ state }: TaskDoc) => state.finishing),
  { ...text('result', ({ state }: TaskDoc) => state.result), set: keepIfNull('result') },
  { ...text('error', ({ state }: TaskDoc) => state.error), set: keepIfNull('error') },
];

const LABEL: readonly Column<LabelRow>[] = [
  number('task_seq', ({ taskSeq }) => taskSeq),
  text('key', ({ key }) => indexText(key)),
  text('value', ({ value }) => indexText(value)),
];

const STEP_KEY = [
  number('task_seq', ({ taskSeq }: StepRow) => taskSeq),
  number('position', ({ position }: StepRow) => position),
];
const STEP_STATUS = text('status', ({ status }: StepRow) => status);
const STEP_OUTPUT = text('output', ({ output }: StepRow) => output);
const STEP_WAITING = text('waiting', ({ waiting }: StepRow) => waiting);
const STEP_AT_END = text('at_end', ({ atEnd }: StepRow) => atEnd);
const STEP_ITEMS = text('items', ({ items }: StepRow) => items && JSON.stringify(items));
const STEP_UPDATE = [
  STEP_STATUS,
  { ...STEP_OUTPUT, set: keepIfNull('output') },
  { ...STEP_ITEMS, set: keepIfNull('items') },
  STEP_WAITING,
  STEP_AT_END,
];
const STEP_INSERT: readonly Column<NewStepRow>[] = [
  ...STEP_KEY,
  text('step_id', ({ stepId }) => stepId),
  text('step_type', ({ stepType }) => stepType),
  text('needs', ({ needs }) => needs),
  STEP_STATUS,
  STEP_OUTPUT,
  STEP_ITEMS,
  STEP_WAITING,
  STEP_AT_END,
];

const ITEM: readonly Column<ItemRow>[] = [
  number('task_seq', ({ taskSeq }) => taskSeq),
  number('position', ({ position }) => position),
  number('item_index', ({ index }) => index),
  text('status', ({ status }) => status),
  number('attempts', ({ attempts }) => attempts ?? 0),
  text('output', ({ output }) => output),
  text('error', ({ error }) => error),
  text('started_at', ({ startedAt }) => startedAt),
  text('ended_at', ({ endedAt }) => endedAt),
];
/** An item begins once, however often it is tried; what an event does not say stays as it was. */
const ITEM_CONFLICT = `(task_seq, position, item_index) do update set status = excluded.status,
  attempts = case when excluded.attempts > t.attempts then excluded.attempts else t.attempts end,
  output = coalesce(excluded.output, t.output), error = excluded.error,
  started_at = coalesce(t.started_at, excluded.started_at), ended_at = excluded.ended_at`;

const ATTEMPT: readonly Column<AttemptRow>[] = [
  number('seq', ({ seq }) => seq),
  number('task_seq', ({ taskSeq }) => taskSeq),
  text('step_id', ({ stepId }) => stepId),
  number('attempt', ({ attempt }) => attempt),
  text('server_id', ({ serverId }) => serverId),
  text('lease_id', ({ leaseId }) => leaseId),
  text('model', ({ model }) => (model === null ? null : indexText(model))),
  text('dispatched_at', ({ dispatchedAt }) => dispatchedAt),
  text('started_at', ({ startedAt }) => startedAt),
  text('ended_at', ({ endedAt }) => endedAt),
  text('outcome', ({ outcome }) => outcome),
  text('error', ({ error }) => error),
  text('usage', ({ usage }) => usage),
];
const ATTEMPT_CONFLICT = `(seq) do update set started_at = excluded.started_at, ended_at = excluded.ended_at,
  outcome = excluded.outcome, error = excluded.error, usage = excluded.usage where t.outcome = 'running'`;

const COUNT: readonly Column<CountRow>[] = [
  text('workspace', ({ workspace }) => indexText(workspace)),
  text('template_name', ({ template }) => indexText(template)),
  text('status', ({ status }) => status),
  number('tasks', ({ tasks }) => tasks),
];
const COUNT_CONFLICT = '(workspace, template_name, status) do update set tasks = t.tasks + excluded.tasks';
