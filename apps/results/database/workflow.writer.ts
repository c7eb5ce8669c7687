import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { NewWorkflow } from '../workflow-view.projection.js';
import { indexText } from './index-text.js';
import { insertRows, type Column } from './rows.js';

/** Writes the workflows that a batch accepted. Runs inside the transaction that moves the checkpoint. */
export const writeWorkflows = async (em: SqlEntityManager, rows: readonly NewWorkflow[]): Promise<void> =>
  await insertRows(em, 'workflow', WORKFLOW, '(seq) do nothing', rows);

const text = (name: string, of: Column<NewWorkflow>['of']): Column<NewWorkflow> => ({
  name,
  type: 'text',
  of,
});

const WORKFLOW: readonly Column<NewWorkflow>[] = [
  { name: 'seq', type: 'bigint', of: ({ seq }) => seq },
  text('id', ({ id }) => id),
  text('workspace', ({ workspace }) => indexText(workspace)),
  text('name', ({ name }) => name),
  text('labels', ({ labels }) => labels),
  text('created_at', ({ createdAt }) => createdAt),
  text('tasks', ({ tasks }) => tasks),
];
