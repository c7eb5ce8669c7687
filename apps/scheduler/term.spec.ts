import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { ChildAudit } from '#libs/audit/child-audit.js';
import { WorkflowAudit } from '#libs/audit/workflow-audit.js';
import { Findings } from '#libs/audit/findings.js';
import { canonicalJson } from '#libs/domain/canonical.js';
import type { Command, CommandAnswer } from '#libs/contracts/commands.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import { emptyLedger } from '#libs/domain/gpu/gpu.js';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import { emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { START, type StoredEvent } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { MemoryInbox } from '#libs/event-log/memory.inbox.js';
import { MemorySnapshotStore } from '#libs/event-log/memory.snapshot-store.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { SnapshotKeeper } from '#libs/event-log/snapshot-keeper.js';
import { createLogger } from '#libs/runtime/logger.js';
import { loadSettings } from '#libs/runtime/settings.js';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { planSteps } from '#libs/template/plan-steps.js';
import { NOW, NOW_MS, submission, TEMPLATE, workflowOf } from '#libs/testing/builders.js';
import { Answers } from './answers.js';
import { foldTask } from '#libs/event-log/state-folds.js';
import { SCHEDULER_SETTINGS } from './scheduler.config.js';
import { Term } from './term.js';

const NEEDS = { onFailure: 'skip', isRead: true } as const;
const REGISTRATION: Command = { kind: 'template', commandId: 'c-1', template: TEMPLATE, definition: {} };
const COMMANDS: readonly Command[] = [
  REGISTRATION,
  {
    kind: 'workflow',
    commandId: 'c-2',
    ...workflowOf(
      'w',
      4,
      Array.from({ length: 6 }, () => NEEDS),
    ),
  },
  { kind: 'cancel-workflow', commandId: 'c-3', workflowId: 'w', reason: 'enough' },
];

/** Turns that nothing here needs; whoever is not done by then never is. */
const TURNS_MAX = 100_000;

type Led = {
  readonly log: MemoryEventLog;
  readonly book: TaskBook;
  readonly answers: readonly CommandAnswer[];
};

/** Leads from a log that ends as it is given, until all commands are decided. No server is there, so that nothing runs. */
const led = async (before: readonly StoredEvent[], given: readonly Command[] = COMMANDS): Promise<Led> => {
  const log = new MemoryEventLog('TASKS');
  const book = emptyBook();
  for (const event of before) {
    log.store(event);
    foldTask(book, event);
  }
  const last = before.at(-1);
  const at = last ? { seq: last.seq, hash: last.hash } : START;
  const opening = openingEvent(at, { id: `log-${at.seq}`, node: 'n', time: NOW }, (type) =>
    SUBJECTS.scheduler(type),
  );
  const writer = await log.openWriter(at, opening);
  foldTask(book, log.stored.at(-1) as StoredEvent);
  const clock = { nowMs: () => NOW_MS };
  const [commands, reports] = [
    new MemoryInbox('COMMANDS', clock.nowMs),
    new MemoryInbox('REPORTS', clock.nowMs),
  ];
  for (const data of given)
    await commands.put({ id: data.commandId, subject: `cmd.${data.kind}`, data, answerTo: 'me' });
  const answers: CommandAnswer[] = [];
  const term = new Term({
    book,
    writer,
    ledger: emptyLedger(),
    leasesAt: START,
    leases: new MemoryEventLog('LEASES'),
    commands,
    reports,
    allocator: {
      grant: () => Promise.reject(new Error('nothing can be placed')),
      giveBack: () => undefined,
      ensureResident: () => Promise.reject(new Error('nothing can be loaded')),
    },
    answers: new Answers((_, together) => answers.push(...together)),
    snapshots: new SnapshotKeeper(
      {
        store: new MemorySnapshotStore(),
        foldVersion: 'none',
        lines: () => [],
        everyEvents: 1_000_000,
        onFailure: () => undefined,
      },
      0,
    ),
    clock,
    random: () => 0.5,
    workerTypes: () => new Set(),
    newLeaseId: () => 'none',
    policy: DEFAULT_POLICY,
    config: loadSettings(SCHEDULER_SETTINGS, {}),
    logger: createLogger({ service: 'scheduler', instance: 'spec', level: 'silent' }),
  });
  const over = term.run();
  for (let turn = 0; book.positions.commands < given.length && turn < TURNS_MAX; turn += 1) await nextTurn();
  await writer.flush();
  await nextTurn();
  await term.stop();
  await over;
  return { log, book, answers };
};

/** What the log says, less who led. */
const factsOf = ({ stored }: MemoryEventLog): readonly string[] =>
  stored
    .filter(({ type }) => type !== 'leader.elected')
    .map(({ type, taskId }) => `${type} ${taskId ?? ''}`.trim());

describe('a scheduler that is killed behind any event of a workflow', () => {
  it('leaves a log from which the next one makes exactly what the first would have made', async () => {
    const whole = await led([]);
    expect(factsOf(whole.log)).toEqual([
      'log.started',
      'template.registered',
      'workflow.submitted',
      ...['w-0', 'w-1', 'w-2', 'w-3'].map((id) => `task.submitted ${id}`),
      ...['w-3', 'w-2', 'w-1', 'w-0'].map((id) => `task.cancelled ${id}`),
    ]);
    expect(whole.answers.map((answer) => [answer.commandId, answer.ok])).toEqual([
      ['c-1', true],
      ['c-2', true],
      ['c-3', true],
    ]);
    for (let cut = 1; cut < whole.log.stored.length; cut += 1) {
      const next = await led(whole.log.stored.slice(0, cut));
      expect([cut, factsOf(next.log)]).toEqual([cut, factsOf(whole.log)]);
      const settled = (book: TaskBook): string => canonicalJson({ ...book, seq: 0, logId: '' });
      expect([cut, settled(next.book)]).toEqual([cut, settled(whole.book)]);
      const findings = new Findings();
      const audit = new WorkflowAudit('TASKS', findings);
      for (const event of next.log.stored)
        audit.take({ ...event, data: event.data as Readonly<Record<string, unknown>>, payload: '' });
      audit.settle();
      expect([cut, findings.kept]).toEqual([cut, []]);
      // Whoever still waits for its decision is answered: all that were not decided before the cut.
      expect(next.answers.every(({ ok }) => ok)).toBe(true);
    }
  });
});

/** The commands that make templates known. */
const registered = (...texts: readonly string[]): readonly Command[] =>
  texts.map((text): Command => {
    const compiled = compileTemplate(text, 'x.yaml');
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
    const { name, version } = compiled.template;
    return {
      kind: 'template',
      commandId: `r-${name}`,
      template: { name, version },
      definition: compiled.template,
    };
  });

describe('a scheduler that is killed behind any event of tasks that steps submit', () => {
  const templates = registered(
    'name: inner\nparameters: { n: { type: integer } }\nsteps: [{ id: s, type: noop, with: { echo: "{{ parameters.n }}" } }]',
    'name: middle\nsteps: [{ id: m, type: task, with: { template: inner, parameters: { n: 2 } } }]',
    'name: outer\nsteps: [{ id: o, type: task, retry: { attempts_max: 2 }, with: { template: middle } }, { id: last, type: noop, needs: [] }]',
  );
  const outer = templates.at(-1);
  if (outer?.kind !== 'template') throw new Error('no template');
  const planned = planSteps(outer.definition as unknown as CompiledTemplate, {}, { numCtx: 4096 });
  if (!planned.ok) throw new Error(planned.failure.message);
  const submit: Command = {
    kind: 'submit',
    commandId: 's-1',
    ...submission({ template: outer.template, steps: planned.steps }),
  };
  const cancelOf = (taskId: string): Command => ({
    kind: 'cancel',
    commandId: 'c-9',
    taskId,
    reason: 'enough',
  });
  const childrenOf = ({ book }: Led): readonly string[] =>
    [...book.open.keys(), ...book.closed.keys()].slice(1);

  it.each(['of the parent', 'of its last child'])(
    'leaves a log from which the next one makes each child once, and the same: cancel %s',
    async (what) => {
      const ids = childrenOf(await led([], [...templates, submit]));
      expect(ids).toHaveLength(2);
      const cancel = cancelOf(what === 'of the parent' ? 't1' : (ids.at(-1) ?? ''));
      const commands = [...templates, submit, cancel];
      const whole = await led([], commands);
      const [middle = '', inner = ''] = ids;
      const steps = [
        'task.submitted t1',
        `task.submitted ${middle}`,
        'step.waiting t1',
        `task.submitted ${inner}`,
        `step.waiting ${middle}`,
      ];
      expect(factsOf(whole.log).slice(4)).toEqual(
        what === 'of the parent'
          ? [
              ...steps,
              'task.cancel-requested t1',
              `task.cancel-requested ${middle}`,
              `task.cancelled ${inner}`,
              `task.cancelled ${middle}`,
              'task.cancelled t1',
            ]
          : [...steps, `task.cancelled ${inner}`, `task.failed ${middle}`, 'task.failed t1'],
      );
      for (let cut = 1; cut < whole.log.stored.length; cut += 1) {
        const next = await led(whole.log.stored.slice(0, cut), commands);
        expect([cut, factsOf(next.log)]).toEqual([cut, factsOf(whole.log)]);
        expect([cut, next.book.open.size]).toEqual([cut, 0]);
        const findings = new Findings();
        const audit = new ChildAudit('TASKS', findings);
        for (const event of next.log.stored)
          audit.take({ ...event, data: event.data as Readonly<Record<string, unknown>>, payload: '' });
        expect([cut, findings.kept]).toEqual([cut, []]);
      }
    },
  );
});

describe('a task that is given up', () => {
  it('takes everything with it that waits for it, however long the chain is', async () => {
    // More than the stack could hold if each of them were a call within the one before.
    const LENGTH = 20_000;
    const chain = Array.from({ length: LENGTH }, (_, n): Command => {
      const dependsOn = n === 0 ? [] : [`t${n - 1}`];
      return { kind: 'submit', commandId: `s-${n}`, ...submission({ taskId: `t${n}`, dependsOn }) };
    });
    const cancel: Command = { kind: 'cancel', commandId: 'c-2', taskId: 't0', reason: 'enough' };
    const { book } = await led([], [REGISTRATION, ...chain, cancel]);
    expect(book.open.size).toBe(0);
    expect([...book.closed].slice(0, 3)).toEqual([
      ['t0', 'cancelled'],
      ['t1', 'failed'],
      ['t2', 'failed'],
    ]);
    expect(book.closed.size).toBe(LENGTH);
  });
});
