import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/**
 * The tables of the read model, the same for SQLite and PostgreSQL. Everything in them comes from the log and can be
 * thrown away. JSON is kept as text: `jsonb` refuses the character U+0000 and changes the order of keys, and an answer
 * has to be the same from both databases. Sequences are those of the log, so a sequence is a key and an order in one.
 */

/** One task. `seq` is where it was submitted, `lastSeq` the last event that changed it. */
export const Task = defineEntity({
  name: 'Task',
  tableName: 'task',
  properties: {
    seq: p.bigint('number').primary().autoincrement(false),
    id: p.text().unique(),
    lastSeq: p.bigint('number'),
    workspace: p.text(),
    status: p.text(),
    priority: p.integer(),
    templateName: p.text(),
    templateVersion: p.text(),
    parameters: p.text(),
    dependsOn: p.text(),
    labels: p.text(),
    createdAt: p.text().index(),
    runAt: p.text().nullable(),
    deadlineAt: p.text().nullable(),
    queueTtlMs: p.bigint('number').nullable(),
    rerunOf: p.text().nullable(),
    parentTaskId: p.text().nullable(),
    parentStepId: p.text().nullable(),
    startedAt: p.text().nullable(),
    endedAt: p.text().nullable(),
    cancelRequestedAt: p.text().nullable(),
    moved: p.text().nullable(),
    finishing: p.text().nullable(),
    result: p.text().nullable(),
    error: p.text().nullable(),
    workflowId: p.text().nullable(),
  },
  indexes: [
    { properties: ['workflowId', 'seq'] },
    { properties: ['parentTaskId', 'seq'] },
    { properties: ['workspace', 'seq'] },
    { properties: ['status', 'seq'] },
    { properties: ['templateName', 'seq'] },
  ],
});

/** One workflow as it was submitted; `seq` is where. `tasks` are its graph. */
export const Workflow = defineEntity({
  name: 'Workflow',
  tableName: 'workflow',
  properties: {
    seq: p.bigint('number').primary().autoincrement(false),
    id: p.text().unique(),
    workspace: p.text(),
    name: p.text().nullable(),
    labels: p.text(),
    createdAt: p.text(),
    tasks: p.text(),
  },
  indexes: [{ properties: ['workspace', 'seq'] }],
});

/** Labels a second time, for filters; the view shows those of the task. */
export const TaskLabel = defineEntity({
  name: 'TaskLabel',
  tableName: 'task_label',
  properties: {
    taskSeq: p.bigint('number').primary(),
    key: p.text().primary(),
    value: p.text(),
  },
  indexes: [{ properties: ['key', 'value', 'taskSeq'] }],
});

export const TaskStep = defineEntity({
  name: 'TaskStep',
  tableName: 'task_step',
  properties: {
    taskSeq: p.bigint('number').primary(),
    position: p.integer().primary(),
    stepId: p.text(),
    stepType: p.text(),
    needs: p.text(),
    status: p.text(),
    output: p.text().nullable(),
    items: p.text().nullable(),
    waiting: p.text().nullable(),
    atEnd: p.text().nullable(),
  },
});

/** One item of a step that runs for each of a list, once it was begun. */
export const TaskItem = defineEntity({
  name: 'TaskItem',
  tableName: 'task_item',
  properties: {
    taskSeq: p.bigint('number').primary(),
    position: p.integer().primary(),
    itemIndex: p.integer().primary(),
    status: p.text(),
    attempts: p.integer(),
    output: p.text().nullable(),
    error: p.text().nullable(),
    startedAt: p.text().nullable(),
    endedAt: p.text().nullable(),
  },
});

/** One attempt of a step. `seq` is where it was dispatched. */
export const Attempt = defineEntity({
  name: 'Attempt',
  tableName: 'attempt',
  properties: {
    seq: p.bigint('number').primary().autoincrement(false),
    taskSeq: p.bigint('number').index(),
    stepId: p.text(),
    attempt: p.integer(),
    serverId: p.text(),
    leaseId: p.text(),
    model: p.text().nullable(),
    dispatchedAt: p.text(),
    startedAt: p.text().nullable(),
    endedAt: p.text().nullable(),
    outcome: p.text(),
    error: p.text().nullable(),
    usage: p.text().nullable(),
  },
});

/** Tasks by status, kept as a number so that counting a million tasks costs no more than counting ten. */
export const TaskCount = defineEntity({
  name: 'TaskCount',
  tableName: 'task_count',
  properties: {
    workspace: p.text().primary(),
    templateName: p.text().primary(),
    status: p.text().primary(),
    tasks: p.bigint('number'),
  },
});

/** A lease from grant to end. `token` is the sequence of the grant in `LEASES`. */
export const Lease = defineEntity({
  name: 'Lease',
  tableName: 'lease',
  properties: {
    leaseId: p.text().primary(),
    taskId: p.text().index(),
    stepId: p.text(),
    attempt: p.integer(),
    serverId: p.text(),
    residencyId: p.text().nullable(),
    token: p.bigint('number'),
    grantedAt: p.text(),
    endedAt: p.text().nullable(),
    ended: p.text().nullable(),
  },
});

/** A model that was loaded on a server. */
export const Residency = defineEntity({
  name: 'Residency',
  tableName: 'residency',
  properties: {
    residencyId: p.text().primary(),
    serverId: p.text(),
    model: p.text(),
    startedAt: p.text(),
    vramBytes: p.bigint('number').nullable(),
    loadedAt: p.text().nullable(),
    endedAt: p.text().nullable(),
  },
});

/** Large data of a task, as it was stored last under its name. `seq` is that of the fact. */
export const TaskArtifact = defineEntity({
  name: 'TaskArtifact',
  tableName: 'task_artifact',
  properties: {
    owner: p.text().primary(),
    name: p.text().primary(),
    seq: p.bigint('number'),
    stepId: p.text().nullable(),
    object: p.text().index(),
    sizeBytes: p.bigint('number'),
    digest: p.text(),
    contentType: p.text(),
    storedAt: p.text(),
    removedAt: p.text().nullable(),
    removedReason: p.text().nullable(),
  },
});

/** How far a stream is included, written in the transaction that includes it. */
export const Checkpoint = defineEntity({
  name: 'Checkpoint',
  tableName: 'checkpoint',
  properties: {
    stream: p.text().primary(),
    seq: p.bigint('number'),
    eventId: p.text(),
    hash: p.text(),
    prevHash: p.text(),
    genesisId: p.text(),
    projectionVersion: p.integer(),
  },
});

export const ENTITIES = [
  Task,
  Workflow,
  TaskLabel,
  TaskStep,
  TaskItem,
  TaskArtifact,
  Attempt,
  TaskCount,
  Lease,
  Residency,
  Checkpoint,
];

export type WorkflowRow = InferEntity<typeof Workflow>;
export type TaskRow = InferEntity<typeof Task>;
export type TaskItemRow = InferEntity<typeof TaskItem>;
export type TaskArtifactRow = InferEntity<typeof TaskArtifact>;
export type TaskStepRow = InferEntity<typeof TaskStep>;
export type AttemptRow = InferEntity<typeof Attempt>;
