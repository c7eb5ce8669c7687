import type { WorkflowSummary, WorkflowTaskStatus, WorkflowView } from '#libs/contracts/workflow-queries.js';
import { columns, type Colour, type Output } from '../output.js';

const COLOURS: Readonly<Record<WorkflowTaskStatus, Colour>> = {
  queued: 'yellow',
  running: 'blue',
  waiting: 'yellow',
  completed: 'green',
  failed: 'red',
  cancelled: 'dim',
  skipped: 'dim',
};

/** A workflow for people: what it is, then a line for each task in its order. */
export const workflowLines = (workflow: WorkflowView, out: Output): readonly string[] => [
  `${workflow.id}  ${out.colour(COLOURS[workflow.status], workflow.status)}${workflow.name === null ? '' : `  ${workflow.name}`}`,
  `  workspace  ${workflow.workspace}`,
  `  created    ${workflow.created_at}`,
  ...(workflow.ended_at === null ? [] : [`  ended      ${workflow.ended_at}`]),
  ...columns(
    workflow.tasks.map(({ name, status, id, needs, error_code: code }) => [
      `  ${name}`,
      status,
      id,
      needs.length === 0 ? '' : `after ${needs.map(needText).join(', ')}`,
      code ?? '',
    ]),
  ).map((line, n) => {
    const status = workflow.tasks[n]?.status;
    return status === undefined
      ? line
      : line.replace(` ${status} `, ` ${out.colour(COLOURS[status], status)} `);
  }),
];

/** An edge that fails is the usual one. */
const needText = ({ task, on_failure: onFailure }: WorkflowView['tasks'][number]['needs'][number]): string =>
  onFailure === 'fail' ? task : `${task} (${onFailure})`;

const HEAD = ['ID', 'STATUS', 'TASKS', 'CREATED', 'NAME'];

export const listLines = (items: readonly WorkflowSummary[], out: Output): readonly string[] =>
  columns([
    HEAD,
    ...items.map(({ id, status, task_counts: counts, created_at: created, name }) => [
      id,
      status,
      String(Object.values(counts).reduce((sum, count) => sum + count, 0)),
      created,
      name ?? '',
    ]),
  ]).map((line, n) => (n === 0 ? out.colour('bold', line) : line));
