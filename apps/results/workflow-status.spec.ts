import { describe, expect, it } from '@jest/globals';
import type { WorkflowTaskStatus } from '#libs/contracts/workflow-queries.js';
import type { OnFailure } from '#libs/domain/task/workflow.js';
import { countByStatus, workflowStatus } from './workflow-status.js';

/** `first`, and tasks behind it, each with its edge. */
const judged = (
  first: WorkflowTaskStatus,
  ...behind: readonly (readonly [OnFailure, WorkflowTaskStatus])[]
) => [
  { name: 'first', needs: [], status: first },
  ...behind.map(([onFailure, status], n) => ({
    name: `behind${n}`,
    needs: [{ task: 'first', on_failure: onFailure }],
    status,
  })),
];

describe('a workflow', () => {
  it.each([
    ['queued', 'nothing has begun', judged('queued', ['fail', 'queued'])],
    ['running', 'one task runs', judged('running', ['fail', 'queued'])],
    ['running', 'one is done and the next waits for its turn', judged('completed', ['fail', 'queued'])],
    ['running', 'one waits for somebody', judged('waiting')],
    ['completed', 'all have completed', judged('completed', ['fail', 'completed'])],
    ['failed', 'a task has failed, and the one behind it with it', judged('failed', ['fail', 'failed'])],
    ['failed', 'a task has failed that nobody needs', judged('failed')],
    [
      'completed',
      'a task has failed that is passed over',
      judged('failed', ['skip', 'skipped'], ['continue', 'completed']),
    ],
    ['failed', 'one of two minds it', judged('failed', ['continue', 'completed'], ['fail', 'failed'])],
    [
      'failed',
      'a task behind the one that is passed over has failed',
      judged('failed', ['continue', 'failed']),
    ],
    ['cancelled', 'somebody cancelled it', judged('cancelled', ['fail', 'cancelled'])],
    ['completed', 'somebody cancelled what is passed over', judged('cancelled', ['skip', 'skipped'])],
    ['failed', 'one was cancelled and another has failed', judged('cancelled', ['fail', 'failed'])],
  ] as const)('is %s when %s', (status, _, tasks) => expect(workflowStatus(tasks)).toBe(status));

  it('counts its tasks', () =>
    expect(countByStatus(judged('failed', ['skip', 'skipped'], ['skip', 'skipped']))).toMatchObject({
      failed: 1,
      skipped: 2,
      queued: 0,
    }));
});
