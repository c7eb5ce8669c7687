import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { TaskPage } from '#libs/contracts/queries.js';
import type { WorkflowPage, WorkflowView } from '#libs/contracts/workflow-queries.js';
import { submissionsOf } from '#libs/domain/task/decide-workflow.js';
import type { WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import { dispatched, later, NOW, submitted, success, workflowOf } from '#libs/testing/builders.js';
import type { Fact } from '#libs/testing/fact-log.js';
import type { Database } from './database/database.js';
import { newStreams, Running } from './read-model.harness.conformance.js';

/** What every database has to make of workflows. `make` gives one that is empty. */
export const workflowConformance = (
  make: () => Promise<{ readonly database: Database; readonly remove: () => Promise<void> }>,
): void => {
  let database: Database;
  let remove: () => Promise<void>;
  let results: Running;

  const accepted = (workflowId: string, more: Partial<WorkflowSubmitted> = {}): readonly Fact[] => {
    const edges = [{ onFailure: 'skip', isRead: false }] as const;
    const workflow = { type: 'workflow.submitted', ...workflowOf(workflowId, 2, edges), ...more } as const;
    return [workflow, ...submissionsOf(workflow)];
  };

  describe('a workflow', () => {
    beforeEach(async () => {
      ({ database, remove } = await make());
    });
    afterEach(async () => {
      await results.stop();
      await remove();
    });

    it('is shown with its graph, and stands as its tasks do', async () => {
      const streams = await newStreams();
      results = Running.on(database, streams);
      const seq = await streams.tasks.append(
        ...accepted('w', { labels: { team: "it's" } }),
        dispatched('a', 1, { taskId: 'w-0', at: later(1) }),
      );
      const ask = async (atLeastSeq: number): Promise<WorkflowView> =>
        await results.value<WorkflowView>({ kind: 'workflow', workflowId: 'w', atLeastSeq });
      const counts = { queued: 0, running: 0, waiting: 0, completed: 0, failed: 0, cancelled: 0, skipped: 0 };
      const queued = { status: 'queued', started_at: null, ended_at: null, error_code: null };
      expect(await ask(seq)).toEqual({
        id: 'w',
        name: 'a workflow',
        workspace: 'home',
        status: 'running',
        labels: { team: "it's" },
        created_at: NOW,
        started_at: later(1),
        ended_at: null,
        task_counts: { ...counts, running: 1, queued: 1 },
        tasks: [
          {
            ...queued,
            name: 'task0',
            id: 'w-0',
            template: 'summarize',
            needs: [],
            status: 'running',
            started_at: later(1),
          },
          {
            ...queued,
            name: 'task1',
            id: 'w-1',
            template: 'summarize',
            needs: [{ task: 'task0', on_failure: 'skip' }],
          },
        ],
      });
      const failure = { code: 'MODEL_ERROR', message: 'broken' };
      const skipped = { code: 'DEPENDENCY_SKIPPED', message: 'left out' };
      const end = await streams.tasks.append(
        { type: 'task.failed', taskId: 'w-0', failure, stopped: [], at: later(2) } as Fact,
        {
          type: 'task.cancelled',
          taskId: 'w-1',
          reason: 'skipped',
          skipped,
          stopped: [],
          at: later(3),
        } as Fact,
      );
      expect(await ask(end)).toMatchObject({
        status: 'completed',
        ended_at: later(3),
        task_counts: { ...counts, failed: 1, skipped: 1 },
        tasks: [{ error_code: 'MODEL_ERROR' }, { status: 'skipped', error_code: 'DEPENDENCY_SKIPPED' }],
      });
      expect(await results.task('w-1')).toMatchObject({
        workflow_id: 'w',
        status: 'cancelled',
        error: skipped,
      });
    });

    it('is found by pages, and its tasks by it', async () => {
      const streams = await newStreams();
      results = Running.on(database, streams);
      const ids = Array.from({ length: 5 }, (_, n) => `w${n}`);
      for (const id of ids) await streams.tasks.append(...accepted(id));
      const seq = await streams.tasks.append(...accepted('other', { workspace: 'lab' }), submitted());
      const page = async (after?: string): Promise<WorkflowPage> =>
        await results.value<WorkflowPage>({
          kind: 'workflows',
          filter: { workspace: 'home' },
          page: { size: 2, ...(after === undefined ? {} : { after }) },
          atLeastSeq: seq,
        });
      const found: string[] = [];
      for (let next: string | null | undefined; next !== null;) {
        const { items, next: further } = await page(next);
        found.push(...items.map(({ id }) => id));
        next = further;
      }
      expect(found).toEqual(ids.toReversed());
      const { items }: TaskPage = await results.page({ workflowId: 'w3' }, 10);
      expect(items.map(({ id }) => id)).toEqual(['w3-1', 'w3-0']);
      expect((await results.counts({ workflowId: 'w3' })).total).toBe(2);
      expect((await results.task('t1')).workflow_id).toBeNull();
    });

    it('that is read twice, or is not there, changes nothing', async () => {
      const streams = await newStreams();
      results = Running.on(database, streams);
      const seq = await streams.tasks.append(...accepted('w'), {
        type: 'task.completed',
        taskId: 'w-0',
        step: success(),
        result: 1,
        at: later(1),
      } as Fact);
      const before = await results.value({ kind: 'workflow', workflowId: 'w', atLeastSeq: seq });
      await results.stop();
      results = Running.on(database, streams);
      await results.caughtUp();
      expect(await results.value({ kind: 'workflow', workflowId: 'w', atLeastSeq: seq })).toEqual(before);
      expect(await results.reply({ kind: 'workflow', workflowId: 'nobody' })).toMatchObject({
        ok: false,
        failure: { code: 'WORKFLOW_UNKNOWN', message: "There is no workflow 'nobody'." },
      });
    });
  });
};
