import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { LeaseView, TaskFilter } from '#libs/contracts/queries.js';
import type { EventLog, StoredEvent } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import {
  dispatched,
  failureOf,
  later,
  loaded,
  loadStarted,
  needsModel,
  NOW,
  NOW_MS,
  profileOf,
  stepSpec,
  submitted,
  success,
  TEMPLATE,
} from '#libs/testing/builders.js';
import { FactLog, type Fact } from '#libs/testing/fact-log.js';
import { questionOf } from '#libs/testing/questions.js';
import { seeded, taskStories } from '#libs/testing/task-stories.js';
import type { Database } from './database/database.js';
import { applyBatch } from './follow/apply-batch.js';
import { CheckpointMovedError, readCheckpoint } from './follow/checkpoint.js';
import { TaskFold, type StreamFold } from './follow/stream-fold.js';
import { eventually, newStreams, Running, SILENT, type Streams } from './read-model.harness.conformance.js';

/** What every database has to make of the log. `make` gives one that is empty. */
export const readModelConformance = (
  make: () => Promise<{ readonly database: Database; readonly remove: () => Promise<void> }>,
): void => {
  let database: Database;
  let remove: () => Promise<void>;
  const running: Running[] = [];

  beforeEach(async () => {
    ({ database, remove } = await make());
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
    await remove();
  });

  const run = (streams: Streams): Running => {
    const one = Running.on(database, streams);
    running.push(one);
    return one;
  };
  const stop = async (one: Running): Promise<void> => {
    running.splice(running.indexOf(one), 1);
    await one.stop();
  };
  /** Both stories, told, and a read model that includes them. */
  const told = async (count: number): Promise<{ streams: Streams; results: Running }> => {
    const streams = await newStreams();
    const { tasks, leases } = taskStories(count);
    await streams.tasks.append(...tasks);
    await streams.leases.append(...leases);
    const results = run(streams);
    await results.caughtUp();
    return { streams, results };
  };

  describe('a task', () => {
    it('is shown with its times, with what it repeats and keeps, and with its last error', async () => {
      const streams = await newStreams();
      const results = run(streams);
      const times = { runAt: later(-5), deadlineAt: later(90), queueTtlMs: 60_000 };
      const steps = [stepSpec('a'), stepSpec('b', { needs: ['a'] })];
      const failure = { code: 'SERVER_BUSY', message: 'gpu1 is busy' } as const;
      await streams.tasks.append(
        submitted({ ...times, steps, rerunOf: 't0', kept: [{ stepId: 'a', output: 5 }] }),
        dispatched('b'),
      );
      const step = failureOf('b', 1, failure);
      const retried = { type: 'step.failed', taskId: 't1', step, retryAt: later(9) } as const;
      const lastError = { ...failure, step_id: 'b', attempt: 1, server_id: 'gpu1', at: NOW };
      const seq = await streams.tasks.append(retried);
      expect(await results.reply({ kind: 'task', taskId: 't1', atLeastSeq: seq })).toMatchObject({
        value: {
          run_at: times.runAt,
          deadline_at: times.deadlineAt,
          queue_ttl_ms: times.queueTtlMs,
          rerun_of: 't0',
          error: null,
          last_error: lastError,
          steps: [{ status: 'kept', output: 5 }, { status: 'pending' }],
        },
      });
      const gone = { code: 'DEPENDENCY_FAILED', message: 'Task t0 has failed.' } as const;
      const end = { type: 'task.failed', taskId: 't1', failure: gone, stopped: [], at: later(10) } as const;
      const endSeq = await streams.tasks.append(end);
      expect(await results.reply({ kind: 'task', taskId: 't1', atLeastSeq: endSeq })).toMatchObject({
        value: {
          last_error: { ...gone, step_id: null, attempt: null, server_id: null, at: later(10) },
        },
      });
    });

    it('is shown with what a step of it waits for, batch by batch, and counted as waiting', async () => {
      const streams = await newStreams();
      const results = run(streams);
      const step = { taskId: 't1', stepId: 'a' } as const;
      const asked = await streams.tasks.append(submitted({ steps: [stepSpec('a', { waits: 'approval' })] }), {
        type: 'step.waiting',
        ...step,
        waiting: questionOf('approval', NOW_MS),
        at: NOW,
      } as Fact);
      await results.caughtUp();
      const shown = async (seq: number) =>
        await results.reply({ kind: 'task', taskId: 't1', atLeastSeq: seq });
      expect(await shown(asked)).toMatchObject({
        value: { status: 'waiting', steps: [{ waiting: { kind: 'approval', seq: asked, reminders: 0 } }] },
      });
      const counts = await results.reply({ kind: 'status-counts', filter: {} });
      expect(counts).toMatchObject({ value: { by_status: { waiting: 1, queued: 0 } } });
      const reminded = await streams.tasks.append({
        type: 'step.reminded',
        ...step,
        waitingSeq: asked,
        nth: 1,
        assignees: ['ada'],
        message: 'Is it right?',
        at: later(3_000),
      } as Fact);
      await results.caughtUp();
      expect(await shown(reminded)).toMatchObject({
        value: { steps: [{ waiting: { seq: asked, since: NOW, reminders: 1, assignees: ['ada'] } }] },
      });
    });

    it('is shown with the tasks that its steps submitted, and those are found by it', async () => {
      const streams = await newStreams();
      const results = run(streams);
      const steps = [
        stepSpec('a', { waits: 'task' }),
        stepSpec('b', { waits: 'task', forEach: { concurrency: 2 } }),
      ];
      const child = (stepId: string, childTaskId: string, attempt: number): readonly Fact[] => [
        submitted({ taskId: childTaskId, parent: { taskId: 't1', stepId, attempt, depth: 1 } }),
        {
          type: 'step.waiting',
          taskId: 't1',
          stepId,
          waiting: { kind: 'task', childTaskId, template: TEMPLATE, attempt },
          at: NOW,
        } as Fact,
      ];
      const failure = { code: 'CHILD_TASK_FAILED', message: 'broken' } as const;
      const waited = (stepId: string, more: object): Fact =>
        ({
          type: 'step.waited',
          taskId: 't1',
          waited: { stepId, waitingSeq: 3, ...more },
          at: later(2),
        }) as Fact;
      await streams.tasks.append(
        submitted({ steps }),
        ...child('a', 'c1', 1),
        { type: 'step.expanded', taskId: 't1', stepId: 'b', items: 3, at: NOW } as Fact,
        ...child('b[0]', 'c2', 1),
        ...child('b[1]', 'c3', 1),
        waited('a', { failure, retryAt: later(9) }),
        waited('b[0]', { output: { n: 1 } }),
        waited('b[1]', { failure, retryAt: later(9) }),
      );
      const seq = await streams.tasks.append(...child('a', 'c4', 2), ...child('b[1]', 'c5', 2));
      await results.caughtUp();
      expect(await results.reply({ kind: 'task', taskId: 't1', atLeastSeq: seq })).toMatchObject({
        value: {
          parent: null,
          steps: [
            { status: 'waiting', waiting: { kind: 'task', task_id: 'c4', message: null } },
            { status: 'running', items: { total: 3, completed: 1, failed: 0, running: 1 } },
          ],
        },
      });
      const page = { size: 10 };
      expect(await results.reply({ kind: 'items', taskId: 't1', stepId: 'b', page })).toMatchObject({
        value: {
          items: [
            { status: 'completed', output: { n: 1 } },
            { status: 'running', attempts: 2 },
          ],
        },
      });
      expect(await results.reply({ kind: 'task', taskId: 'c2' })).toMatchObject({
        value: { parent: { task_id: 't1', step_id: 'b[0]' } },
      });
      const { items } = await results.page({ parent: 't1' }, 10);
      expect(items.map(({ id }) => id)).toEqual(['c5', 'c4', 'c3', 'c2', 'c1']);
    });

    it('is shown as its facts make it', async () => {
      const streams = await newStreams();
      const results = run(streams);
      const usage = {
        model: 'smol',
        loadMs: 5,
        promptMs: 6,
        generationMs: 7,
        totalMs: 18,
        tokensIn: 8,
        tokensOut: 9,
        vramBytes: 10,
      };
      await streams.tasks.append(
        submitted({ parameters: { prompt: 'hi' }, labels: { team: 'red' }, dependsOn: ['t0'] }),
        dispatched('a', 1, { at: later(1), requirement: needsModel('smol') }),
      );
      const seq = await streams.tasks.append({
        type: 'task.completed',
        taskId: 't1',
        step: { ...success('a', 1, { text: 'ho' }), usage, startedAt: later(2), endedAt: later(3) },
        result: { text: 'ho' },
        at: later(4),
      } as Fact);
      // A machine under load may need longer than a query waits.
      await results.caughtUp();
      expect(await results.reply({ kind: 'task', taskId: 't1', atLeastSeq: seq })).toEqual({
        ok: true,
        seq,
        value: {
          id: 't1',
          workspace: 'home',
          status: 'completed',
          priority: 5,
          template: { name: 'summarize', version: 'sha256-1' },
          parameters: { prompt: 'hi' },
          depends_on: ['t0'],
          workflow_id: null,
          labels: { team: 'red' },
          created_at: NOW,
          run_at: null,
          deadline_at: null,
          queue_ttl_ms: null,
          rerun_of: null,
          parent: null,
          started_at: later(1),
          ended_at: later(4),
          cancel_requested_at: null,
          moved: null,
          finishing: null,
          result: { text: 'ho' },
          error: null,
          last_error: null,
          steps: [
            {
              id: 'a',
              type: 'ollama_generate',
              needs: [],
              status: 'completed',
              output: { text: 'ho' },
              items: null,
              waiting: null,
              finally: false,
              error: null,
            },
          ],
          attempts: [
            {
              step_id: 'a',
              attempt: 1,
              server_id: 'gpu1',
              lease_id: 'lease-a-1',
              dispatched_at: later(1),
              started_at: later(2),
              ended_at: later(3),
              outcome: 'completed',
              error: null,
              usage,
            },
          ],
          resource_usage: {
            models: ['smol'],
            load_ms: 5,
            prompt_ms: 6,
            generation_ms: 7,
            tokens_in: 8,
            tokens_out: 9,
            vram_bytes_max: 10,
          },
          last_seq: seq,
        },
      });
    });

    it('keeps text of every kind as it was', async () => {
      const streams = await newStreams();
      const results = run(streams);
      const hard = `it's "5" ? ?? :a $1 \\ \\' \0 \u2028 é 漢 🦜 \ud800 %s\n-- ; drop table task`;
      const labels = { [hard]: hard, long: 'x'.repeat(900) };
      const seq = await streams.tasks.append(
        submitted({ parameters: { [hard]: hard }, labels, workspace: 'w' }),
      );
      const [task] = await results
        .value<{ items: { labels: unknown; parameters: unknown }[] }>({
          kind: 'tasks',
          filter: { labels },
          page: { size: 1 },
          atLeastSeq: seq,
        })
        .then(({ items }) => items);
      expect(task).toMatchObject({ labels, parameters: { [hard]: hard } });
      expect((await results.page({ labels: { long: 'x'.repeat(899) } }, 1)).items).toEqual([]);
    });

    it('that is not there is refused by name', async () => {
      const results = run(await newStreams());
      await results.caughtUp();
      expect(await results.reply({ kind: 'task', taskId: 'nobody' })).toMatchObject({
        ok: false,
        failure: { code: 'TASK_UNKNOWN', message: "There is no task 'nobody'." },
      });
    });

    it('has its leases, and the memory of the model they were for', async () => {
      const streams = await newStreams();
      const results = run(streams);
      await streams.leases.append(
        loadStarted('gpu1', 'r1', profileOf('smol')),
        loaded('gpu1', 'r1', { vramBytes: 77 }),
        {
          type: 'lease.granted',
          serverId: 'gpu1',
          at: later(1),
          leases: [{ leaseId: 'lease-a-1', taskId: 't1', stepId: 'a', attempt: 1, residencyId: 'r1' }],
        } as Fact,
        { type: 'lease.expired', serverId: 'gpu1', leaseIds: ['lease-a-1'], ttlMs: 1, at: later(2) } as Fact,
        { type: 'lease.released', serverId: 'gpu1', leaseIds: ['lease-a-1'], at: later(3) } as Fact,
      );
      await streams.tasks.append(submitted(), dispatched('a', 1, { requirement: needsModel('smol') }));
      await results.caughtUp();
      expect((await results.task('t1')).resource_usage).toMatchObject({
        models: ['smol'],
        vram_bytes_max: 77,
      });
      expect(await results.value<LeaseView[]>({ kind: 'leases', taskId: 't1' })).toEqual([
        {
          lease_id: 'lease-a-1',
          task_id: 't1',
          step_id: 'a',
          attempt: 1,
          server_id: 'gpu1',
          residency_id: 'r1',
          model: 'smol',
          vram_bytes: 77,
          token: 4,
          granted_at: later(1),
          ended_at: later(2),
          outcome: 'expired',
        },
      ]);
    });

    it('too large for one reply says what was left out', async () => {
      const streams = await newStreams();
      const results = run(streams);
      const steps = ['a', 'b', 'c'].map((id) => stepSpec(id));
      await streams.tasks.append(submitted({ steps }), dispatched('a'), dispatched('b'), dispatched('c'));
      const large = 'y'.repeat(500_000);
      await streams.tasks.append({
        type: 'step.completed',
        taskId: 't1',
        step: success('a', 1, large),
      } as Fact);
      await streams.tasks.append({
        type: 'step.completed',
        taskId: 't1',
        step: success('b', 1, large),
      } as Fact);
      const seq = await streams.tasks.append({
        type: 'step.completed',
        taskId: 't1',
        step: success('c'),
      } as Fact);
      const reply = await results.reply({ kind: 'task', taskId: 't1', atLeastSeq: seq });
      expect(JSON.stringify(reply).length).toBeLessThan(960 * 1024);
      expect((await results.task('t1')).steps.map(({ output }) => output)).toEqual([
        { omitted_bytes: 500_002 },
        large,
        'c done',
      ]);
    });
  });

  describe('pages of tasks', () => {
    it('show every task once, newest first, whatever the size', async () => {
      const { results } = await told(90);
      const whole = (await results.all({}, 200)).map(({ id }) => id);
      expect(new Set(whole).size).toBe(90);
      for (const size of [1, 7, 89, 90, 91])
        expect((await results.all({}, size)).map(({ id }) => id)).toEqual(whole);
    });

    it('lead back the way they came', async () => {
      const { results } = await told(50);
      const there = [await results.page({}, 8)];
      for (let page = there[0]; page?.next;) {
        page = await results.page({}, 8, { after: page.next });
        there.push(page);
      }
      expect(there[0]?.previous).toBeNull();
      for (let place = there.length - 1; place > 0; place -= 1) {
        const back = await results.page({}, 8, { before: there[place]?.previous ?? 'missing' });
        expect(back.items).toEqual(there[place - 1]?.items);
        expect(back.next).toEqual(there[place - 1]?.next);
      }
    });

    it('neither repeat nor lose a task while others are submitted', async () => {
      const { streams, results } = await told(40);
      const before = (await results.all({}, 200)).map(({ id }) => id);
      const seen: string[] = [];
      let page = await results.page({}, 6);
      for (let round = 0; ; round += 1) {
        seen.push(...page.items.map(({ id }) => id));
        if (page.next === null) break;
        const atLeastSeq = await streams.tasks.append(submitted({ taskId: `late-${round}` }));
        page = await results.value({
          kind: 'tasks',
          filter: {},
          page: { size: 6, after: page.next },
          atLeastSeq,
        });
      }
      expect(seen).toEqual(before);
      const newest = await results.page({}, 6, { before: page.previous ?? 'missing' });
      expect(newest.items.length).toBe(6);
    });

    it('end where there is nothing more, and still lead back', async () => {
      const { results } = await told(3);
      const page = await results.page({}, 2);
      const last = await results.page({}, 2, { after: page.next ?? 'missing' });
      expect([last.items.length, last.next]).toEqual([1, null]);
      const none = await results.page({ workspace: 'nowhere' }, 2, { after: page.next ?? 'missing' });
      expect(none).toEqual({ items: [], next: null, previous: null });
      const otherWay = await results.page({ template: page.items[0]?.template.name ?? '' }, 2, {
        after: last.previous ?? 'missing',
      });
      expect(otherWay.previous).not.toBeNull();
    });

    it('lead back to a task behind which nothing matches any more', async () => {
      const streams = await newStreams();
      const results = run(streams);
      await streams.tasks.append(submitted({ taskId: 'older' }), submitted({ taskId: 'newer' }));
      await results.caughtUp();
      const filter: TaskFilter = { statuses: ['queued'] };
      const { next } = await results.page(filter, 1);
      await streams.tasks.append(dispatched('a', 1, { taskId: 'older' }));
      await results.caughtUp();
      const empty = await results.page(filter, 1, { after: next ?? 'missing' });
      expect([empty.items, empty.next]).toEqual([[], null]);
      const back = await results.page(filter, 1, { before: empty.previous ?? 'missing' });
      expect(back.items.map(({ id }) => id)).toEqual(['newer']);
    });

    it('are cut where a reply is full', async () => {
      const streams = await newStreams();
      const results = run(streams);
      for (const taskId of ['a', 'b', 'c'])
        await streams.tasks.append(submitted({ taskId, parameters: { text: 'z'.repeat(400_000) } }));
      await results.caughtUp();
      const first = await results.page({}, 200);
      expect(first.items.map(({ id }) => id)).toEqual(['c', 'b']);
      expect(
        (await results.page({}, 200, { after: first.next ?? 'missing' })).items.map(({ id }) => id),
      ).toEqual(['a']);
    });

    it('refuse a cursor of another log', async () => {
      const { results } = await told(9);
      const { next } = await results.page({}, 1);
      await stop(results);
      const other = await newStreams('log-2');
      await other.tasks.append(submitted());
      const fresh = run(other);
      await fresh.caughtUp();
      expect(
        await fresh.reply({ kind: 'tasks', filter: {}, page: { size: 1, after: next ?? '' } }),
      ).toMatchObject({
        ok: false,
        failure: { code: 'CURSOR_INVALID' },
      });
    });
  });

  describe('filters', () => {
    const filters: readonly TaskFilter[] = [
      {},
      { workspace: 'lab' },
      { statuses: ['queued'] },
      { statuses: ['queued', 'failed', 'cancelled'] },
      { template: 'template-2' },
      { labels: { team: 'red' } },
      { labels: { team: 'red', slice: '3' } },
      { labels: { team: 'nobody' } },
      { createdFrom: later(20_000), createdTo: later(40_000) },
      {
        workspace: 'home',
        statuses: ['completed'],
        template: 'template-1',
        labels: { team: 'blue' },
        createdFrom: later(5_000),
      },
    ];

    it('give exactly the tasks that match, in pages and in counts', async () => {
      const { results } = await told(120);
      const every = await results.all({}, 200);
      for (const filter of filters) {
        const matching = every.filter(
          (task) =>
            (filter.workspace === undefined || task.workspace === filter.workspace) &&
            (filter.statuses === undefined || filter.statuses.includes(task.status)) &&
            (filter.template === undefined || task.template.name === filter.template) &&
            Object.entries(filter.labels ?? {}).every(([key, value]) => task.labels[key] === value) &&
            (filter.createdFrom === undefined || task.created_at >= filter.createdFrom) &&
            (filter.createdTo === undefined || task.created_at < filter.createdTo),
        );
        expect(await results.all(filter, 7)).toEqual(matching);
        const counts = await results.counts(filter);
        expect(counts.total).toBe(matching.length);
        for (const [status, count] of Object.entries(counts.by_status)) {
          expect([status, count]).toEqual([status, matching.filter((task) => task.status === status).length]);
        }
        expect(counts.by_template.reduce((sum, { count }) => sum + count, 0)).toBe(matching.length);
      }
    });
  });

  describe('asking for what has just happened', () => {
    it('waits until it is included', async () => {
      const streams = await newStreams();
      const results = run(streams);
      await results.caughtUp();
      for (let round = 0; round < 20; round += 1) {
        const seq = await streams.tasks.append(submitted({ taskId: `t${round}` }));
        expect(await results.reply({ kind: 'task', taskId: `t${round}`, atLeastSeq: seq })).toMatchObject({
          ok: true,
        });
      }
    });

    it('says how far behind it is when that takes too long', async () => {
      const { results } = await told(9);
      const { seq } = (await results.reply({ kind: 'status-counts', filter: {} })) as { seq: number };
      expect(await results.reply({ kind: 'task', taskId: 'task-1', atLeastSeq: seq + 5 })).toEqual({
        ok: false,
        failure: {
          code: 'SERVICE_UNAVAILABLE',
          message: expect.stringContaining('5 events are missing after 1000 ms'),
          details: { seq, atLeastSeq: seq + 5, lag: 5 },
        },
      });
    });
  });

  describe('every event has its effect once', () => {
    const eventsOf = async (log: EventLog): Promise<StoredEvent[]> => {
      const events: StoredEvent[] = [];
      for await (const event of log.replay({ seq: 0, hash: '' })) events.push(event);
      return events;
    };

    it('whatever the batches, restarts and failed transactions in between', async () => {
      const { streams, results } = await told(80);
      const want = await results.everything();
      await stop(results);
      await database.discardNext();
      const random = seeded(7);
      const events = await eventsOf(streams.tasks.log);
      let fold: StreamFold = new TaskFold(SILENT);
      let orm = await database.openWriter('next');
      try {
        let included = await readCheckpoint(orm.em.fork(), 'TASKS');
        for (let at = 0; at < events.length;) {
          const batch = events.slice(at, at + 1 + Math.floor(random() * 30));
          if (random() < 0.2) {
            // The process dies within the transaction, after everything was written.
            const dying: StreamFold = {
              forget: () => undefined,
              apply: async (em, events) => {
                await new TaskFold(SILENT).apply(em, events);
                throw new Error('killed');
              },
            };
            await expect(applyBatch(orm, 'TASKS', dying, included, batch)).rejects.toThrow('killed');
          }
          if (random() < 0.3) {
            await orm.close();
            orm = await database.openWriter('next');
            fold = new TaskFold(SILENT);
            included = await readCheckpoint(orm.em.fork(), 'TASKS');
            expect(included.seq).toBe(at);
          }
          included = await applyBatch(orm, 'TASKS', fold, included, batch);
          at += batch.length;
        }
      } finally {
        await orm.close();
      }
      await database.promote();
      const again = run(streams);
      await again.caughtUp();
      expect(await again.everything()).toBe(want);
    });

    it('whatever the batches, on an item that is tried again', async () => {
      const streams = await newStreams();
      const failure = { code: 'LEASE_LOST', message: 'its executor is gone' } as const;
      await streams.tasks.append(
        submitted({ steps: [stepSpec('a', { forEach: { concurrency: 1 } })] }),
        { type: 'step.expanded', taskId: 't1', stepId: 'a', items: 2, at: NOW } as Fact,
        dispatched('a[0]', 1, { at: later(1) }),
        { type: 'step.failed', taskId: 't1', step: failureOf('a[0]', 1, failure), retryAt: NOW } as Fact,
        dispatched('a[0]', 2, { at: later(5) }),
        { type: 'step.completed', taskId: 't1', step: success('a[0]', 2, 'zero') } as Fact,
      );
      const events = await eventsOf(streams.tasks.log);
      for (const size of events.keys()) {
        await database.discardNext();
        const orm = await database.openWriter('next');
        const fold = new TaskFold(SILENT);
        let included = await readCheckpoint(orm.em.fork(), 'TASKS');
        for (let at = 0; at < events.length; at += size + 1)
          included = await applyBatch(orm, 'TASKS', fold, included, events.slice(at, at + size + 1));
        await orm.close();
        await database.promote();
        const results = run(streams);
        await results.caughtUp();
        const items = { kind: 'items', taskId: 't1', stepId: 'a', page: { size: 5 } } as const;
        expect([size + 1, await results.value(items)]).toEqual([
          size + 1,
          expect.objectContaining({
            items: [
              {
                index: 0,
                status: 'completed',
                attempts: 2,
                output: 'zero',
                error: null,
                started_at: later(1),
                ended_at: NOW,
              },
            ],
          }),
        ]);
        await stop(results);
      }
    });

    it('when a batch comes twice', async () => {
      const { streams, results } = await told(30);
      const want = await results.everything();
      await stop(results);
      const events = await eventsOf(streams.tasks.log);
      const orm = await database.openWriter('live');
      const included = await readCheckpoint(orm.em.fork(), 'TASKS');
      expect(await applyBatch(orm, 'TASKS', new TaskFold(SILENT), included, events.slice(-50))).toBe(
        included,
      );
      await orm.close();
      const again = run(streams);
      await again.caughtUp();
      expect(await again.everything()).toBe(want);
    });

    it('when two processes write: the second one is refused', async () => {
      const events = await eventsOf((await told(9)).streams.tasks.log);
      await database.discardNext();
      const orm = await database.openWriter('next');
      const nothing = await readCheckpoint(orm.em.fork(), 'TASKS');
      const both = await Promise.allSettled([
        applyBatch(orm, 'TASKS', new TaskFold(SILENT), nothing, events.slice(0, 5)),
        applyBatch(orm, 'TASKS', new TaskFold(SILENT), nothing, events.slice(0, 5)),
      ]);
      await orm.close();
      expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      expect(both.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: expect.any(CheckpointMovedError),
      });
    });
  });

  describe('a rebuild', () => {
    it('gives the same answers, byte for byte, and serves the old ones meanwhile', async () => {
      const { streams, results } = await told(200);
      const want = await results.everything();
      expect(results.model.rebuild('asked for')).toMatchObject({ state: 'running', reason: 'asked for' });
      expect(results.model.rebuild('asked again')).toMatchObject({ reason: 'asked for' });
      let answered = 0;
      while (results.model.rebuildStatus()?.state === 'running') {
        expect((await results.counts()).total).toBe(200);
        answered += 1;
        // Questions come from outside. SQLite answers without a turn of the event loop, so asking without one starves the rest.
        await nextTurn();
      }
      expect(answered).toBeGreaterThan(1);
      expect(results.model.rebuildStatus()).toMatchObject({ state: 'finished', error: null });
      await results.caughtUp();
      expect(await results.everything()).toBe(want);
      const seq = await streams.tasks.append(submitted({ taskId: 'after' }));
      expect(await results.reply({ kind: 'task', taskId: 'after', atLeastSeq: seq })).toMatchObject({
        ok: true,
      });
    });

    it('loses nothing of what happens while it runs', async () => {
      const { streams, results } = await told(60);
      results.model.rebuild('asked for');
      let last = 0;
      for (let more = 0; results.model.rebuildStatus()?.state === 'running'; more += 1) {
        last = await streams.tasks.append(submitted({ taskId: `more-${more}` }));
        expect(await results.reply({ kind: 'task', taskId: `more-${more}`, atLeastSeq: last })).toMatchObject(
          { ok: true },
        );
        await nextTurn();
      }
      expect(last).toBeGreaterThan(0);
      await results.caughtUp();
      const answer = await results.everything();
      await stop(results);
      await database.discardNext();
      await (await database.openWriter('next')).close();
      await database.promote();
      const fresh = run(streams);
      await fresh.caughtUp();
      expect(await fresh.everything()).toBe(answer);
    });
  });

  describe('a log that is not the one that was included', () => {
    const differing: readonly { name: string; other: (told: Streams) => Promise<Streams>; says: RegExp }[] = [
      { name: 'shorter', other: async () => newStreams(), says: /the log ends at 1: it lost events/ },
      {
        name: 'of another beginning',
        other: async () => {
          const other = await newStreams('log-2');
          await other.tasks.append(...taskStories(40, 3).tasks);
          await other.leases.append(...taskStories(40, 3).leases);
          return other;
        },
        says: /its first event is log-2, not log-1: it is another log/,
      },
      {
        name: 'whose end was lost and written anew',
        other: async () => {
          const other = await newStreams();
          const { tasks, leases } = taskStories(12);
          await other.tasks.append(
            ...tasks.slice(0, -1),
            submitted({ taskId: 'instead' }),
            submitted({ taskId: 'and-more' }),
          );
          await other.leases.append(...leases);
          return other;
        },
        says: /was lost and written anew/,
      },
    ];

    it.each(differing)('$name: is never continued; everything is built anew', async ({ other, says }) => {
      const { streams, results } = await told(12);
      await stop(results);
      const now = await other(streams);
      const again = run(now);
      await eventually('rebuilt', () => again.model.rebuildStatus()?.state === 'finished');
      expect(again.model.rebuildStatus()?.reason).toMatch(says);
      await again.caughtUp();
      const answer = await again.everything();
      await stop(again);
      await (await database.openWriter('next')).close();
      await database.promote();
      const fresh = run(now);
      await fresh.caughtUp();
      expect(await fresh.everything()).toBe(answer);
      expect(fresh.model.rebuildStatus()).toBeNull();
    });
  });

  it('an empty log is no error: the first event is awaited', async () => {
    const log = new MemoryEventLog('TASKS');
    const results = new Running(database, { tasks: log, leases: new MemoryEventLog('LEASES') });
    running.push(results);
    await eventually('ready', () => results.model.health().reasons.length === 0);
    expect(await results.page({}, 5)).toEqual({ items: [], next: null, previous: null });
    const seq = await (await FactLog.start(log)).append(submitted());
    expect(await results.reply({ kind: 'task', taskId: 't1', atLeastSeq: seq })).toMatchObject({ ok: true });
  });
};
