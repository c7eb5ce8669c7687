import { describe, expect, it } from '@jest/globals';
import type { WorkflowView } from '#libs/contracts/workflow-queries.js';
import { createOutput, type OutputStreams } from '../output.js';
import { listLines, workflowLines } from './workflow-text.js';

const silent: OutputStreams['stdout'] = { write: () => true, isTTY: false };
const out = createOutput(false, { stdout: silent, stderr: silent }, {});

const task = (
  name: string,
  more: Partial<WorkflowView['tasks'][number]> = {},
): WorkflowView['tasks'][number] => ({
  name,
  id: `id-of-${name}`,
  template: 'noop',
  needs: [],
  status: 'completed',
  started_at: null,
  ended_at: null,
  error_code: null,
  ...more,
});

const workflow: WorkflowView = {
  id: 'w-1',
  name: 'nightly',
  workspace: 'lab',
  status: 'failed',
  labels: {},
  created_at: '2026-01-31T12:00:00.000Z',
  started_at: null,
  ended_at: '2026-01-31T12:01:00.000Z',
  task_counts: { queued: 0, running: 0, waiting: 0, completed: 1, failed: 1, cancelled: 0, skipped: 1 },
  tasks: [
    task('draft'),
    task('check', {
      status: 'failed',
      needs: [{ task: 'draft', on_failure: 'fail' }],
      error_code: 'MODEL_ERROR',
    }),
    task('send', {
      status: 'skipped',
      needs: [
        { task: 'draft', on_failure: 'fail' },
        { task: 'check', on_failure: 'skip' },
      ],
      error_code: 'DEPENDENCY_SKIPPED',
    }),
  ],
};

describe('a workflow for people', () => {
  it('has a line for each task, with what it waits for and why it did not complete', () =>
    expect(workflowLines(workflow, out)).toEqual([
      'w-1  failed  nightly',
      '  workspace  lab',
      '  created    2026-01-31T12:00:00.000Z',
      '  ended      2026-01-31T12:01:00.000Z',
      '  draft  completed  id-of-draft',
      '  check  failed     id-of-check  after draft                MODEL_ERROR',
      '  send   skipped    id-of-send   after draft, check (skip)  DEPENDENCY_SKIPPED',
    ]));

  it('is one line of a list', () =>
    expect(listLines([workflow], out)).toEqual([
      'ID   STATUS  TASKS  CREATED                   NAME',
      'w-1  failed  3      2026-01-31T12:00:00.000Z  nightly',
    ]));
});
