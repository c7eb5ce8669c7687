import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { WorkflowPage, WorkflowView } from '#libs/contracts/workflow-queries.js';
import { wholeNumber } from '../arguments.js';
import { readObject } from '../client/parameters.js';
import type { Undecided } from '../client/task-view.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';
import { listLines, workflowLines } from './workflow-text.js';

type SubmitOptions = { readonly idempotencyKey?: string; readonly wait?: boolean };

/** A workflow has no stream of its own; people do not notice half a second. */
const LOOK_EVERY_MS = 500;

const PATH = '/api/v1/workflows';
const pathOf = (id: string): string => `${PATH}/${encodeURIComponent(id)}`;

/** Commands about workflows: submit, show, list, cancel. */
export const addWorkflowCommands = (program: Command, session: () => Session): void => {
  const workflow = program
    .command('workflow')
    .description('tasks that are submitted together and need each other');
  workflow
    .command('submit <file>')
    .description('submit a workflow from a YAML or JSON file; - for stdin')
    .option('--idempotency-key <key>', 'submitting again with the same key finds the first workflow')
    .option('--wait', 'wait until it is over, then show it')
    .action(async (file: string, options: SubmitOptions) => await submit(file, options, session()));
  workflow
    .command('show <id>')
    .description('show a workflow: its tasks, what they need, and how each stands')
    .action(async (id: string) => {
      const { api, out } = session();
      show(await api.call<WorkflowView | Undecided>('GET', pathOf(id)), out);
    });
  workflow
    .command('list')
    .description('list workflows, newest first')
    .option('--workspace <name>', 'workspace')
    .option('--limit <n>', 'at most this many', wholeNumber(1, 50), 20)
    .action(async ({ workspace, limit }: { readonly workspace?: string; readonly limit: number }) => {
      const { api, out } = session();
      const query = { workspace, page_size: limit };
      const { items } = await api.call<WorkflowPage>('GET', PATH, { query });
      out.show(items, () => listLines(items, out));
    });
  workflow
    .command('cancel <id>')
    .description('cancel what is open of a workflow, and wait until all of it is over')
    .option('--no-wait', 'only ask')
    .action(async (id: string, options: { readonly wait: boolean }) => await cancel(id, options, session()));
};

const submit = async (file: string, options: SubmitOptions, { api, out }: Session): Promise<void> => {
  const body = await readObject(file, 'a workflow');
  const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
  const submitted = await api.call<{ readonly id: string; readonly status: string }>('POST', PATH, {
    body,
    headers,
  });
  if (submitted.status === 'accepted') out.note('stored; it is decided about as soon as a scheduler leads');
  if (!options.wait) return out.show(submitted, () => [submitted.id]);
  const over = await ended(submitted.id, { api, out });
  show(over, out);
  endBy(over);
};

const cancel = async (
  id: string,
  options: { readonly wait: boolean },
  { api, out }: Session,
): Promise<void> => {
  const asked = await api.call<WorkflowView | Undecided>('DELETE', pathOf(id));
  if (!options.wait) return show(asked, out);
  show(await ended(id, { api, out }), out);
};

/** Waits without showing anything; as long as it takes, as waiting for a task does. */
const ended = async (id: string, { api }: Session): Promise<WorkflowView> => {
  for (;;) {
    const workflow = await api.call<WorkflowView | Undecided>('GET', pathOf(id));
    if (!isUndecided(workflow) && workflow.ended_at !== null) return workflow;
    await wait(LOOK_EVERY_MS);
  }
};

const isUndecided = (workflow: WorkflowView | Undecided): workflow is Undecided =>
  workflow.status === 'accepted';

const show = (workflow: WorkflowView | Undecided, out: Session['out']): void =>
  out.show(workflow, () =>
    isUndecided(workflow)
      ? [`${workflow.id}  stored; not decided yet, no scheduler leads`]
      : workflowLines(workflow, out),
  );

const endBy = ({ id, status }: WorkflowView): void => {
  if (status === 'failed') throw new CommandError(EXIT.taskFailed, `Workflow ${id} has failed.`);
  if (status === 'cancelled') throw new CommandError(EXIT.taskCancelled, `Workflow ${id} was cancelled.`);
};
