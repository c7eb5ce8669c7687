import { WORKFLOW_STATUSES, WORKFLOW_TASK_STATUSES } from '#libs/contracts/workflow-queries.js';
import { ON_FAILURE } from '#libs/domain/task/workflow.js';
import {
  text,
  count,
  time,
  listOf,
  orNull,
  exactly,
  type SchemaObject,
  code,
  labels,
} from './schema-parts.js';

const taskStatus: SchemaObject = { type: 'string', enum: [...WORKFLOW_TASK_STATUSES] };
const workflowFacts = {
  id: text,
  name: orNull(text),
  workspace: text,
  status: { type: 'string', enum: [...WORKFLOW_STATUSES] },
  labels,
  created_at: time,
  started_at: orNull(time),
  ended_at: orNull(time),
  task_counts: { type: 'object', additionalProperties: count, description: 'Tasks by status.' },
};

export const workflows = {
  SubmittedWorkflow: exactly({
    id: text,
    name: orNull(text),
    status: {
      type: 'string',
      enum: ['queued', 'accepted'],
      description: '`accepted`: stored, not decided yet.',
    },
    workspace: text,
    labels,
    created_at: time,
    status_url: text,
    tasks: { type: 'array', items: exactly({ name: text, id: text, task_url: text }) },
  }),
  WorkflowSummary: exactly(workflowFacts),
  WorkflowPage: exactly({ items: listOf('WorkflowSummary'), next: orNull(text) }),
  Workflow: exactly({ ...workflowFacts, tasks: listOf('WorkflowTask') }),
  WorkflowTask: exactly({
    name: text,
    id: text,
    task_url: { ...text, description: 'The task itself, with its result.' },
    template: text,
    needs: {
      type: 'array',
      items: exactly({ task: text, on_failure: { type: 'string', enum: [...ON_FAILURE] } }),
    },
    status: {
      ...taskStatus,
      description: '`skipped`: cancelled, because a task that it needs did not complete.',
    },
    started_at: orNull(time),
    ended_at: orNull(time),
    error_code: orNull(code),
  }),
} satisfies Record<string, SchemaObject>;
