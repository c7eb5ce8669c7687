import { describe, expect, it } from '@jest/globals';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { START, type StoredEvent } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { foldTask } from '#libs/event-log/state-folds.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { compileTemplate } from '#libs/template/compile-template.js';
import { planSteps } from '#libs/template/plan-steps.js';
import { dispatched, NOW, NOW_MS, submitted, success, TEMPLATE } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { Conditions } from './conditions.js';
import { ItemLists } from './item-lists.js';
import { Recorder } from './recorder.js';

/** `c` to `f` are a chain that is left out when `a` scores low; `b` is the other way. */
const TEMPLATE_TEXT = `
name: summarize
parameters: { least: { type: integer, default: 3 }, words: { type: string } }
steps:
  - { id: a, type: noop }
  - { id: b, type: noop, when: '{{ steps.a.output.score < parameters.least }}' }
  - { id: c, type: noop, needs: [a], when: '{{ steps.a.output.score >= parameters.least }}' }
  - { id: d, type: noop, when: "{{ steps.c.status == 'completed' }}" }
  - { id: e, type: noop, when: "{{ steps.d.status == 'completed' }}" }
  - { id: f, type: noop, when: "{{ steps.e.status == 'completed' and parameters.words.size != 1 }}" }
output: '{{ steps.b.output | default: steps.a.output.score }}'
`;

const template = (() => {
  const result = compileTemplate(TEMPLATE_TEXT, 'summarize.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.template;
})();
const steps = (() => {
  const planned = planSteps(template, {}, { numCtx: 4096 });
  if (!planned.ok) throw new Error(planned.failure.message);
  return planned.steps;
})();

type Led = { readonly log: MemoryEventLog; readonly book: TaskBook };

/** Whoever leads from this log on decides what is due, and records these facts after that. */
const led = async (before: readonly StoredEvent[], facts: readonly TaskEvent[]): Promise<Led> => {
  const log = new MemoryEventLog('TASKS');
  const book = emptyBook();
  for (const event of before) {
    log.store(event);
    foldTask(book, event);
  }
  const last = before.at(-1);
  const at = last ? { seq: last.seq, hash: last.hash } : START;
  const opening = openingEvent(at, { id: `log-${at.seq}`, node: 'n', time: NOW }, () => 'evt.scheduler.x');
  const writer = await log.openWriter(at, opening);
  foldTask(book, log.stored.at(-1) as StoredEvent);
  const clock = { nowMs: () => NOW_MS };
  const index = new TaskIndex(book, UNKNOWN_COSTS);
  index.rebuild(NOW_MS);
  const recorder: Recorder = new Recorder(writer, book, index, clock, {
    givenUp: () => undefined,
    changed: () => conditions.decide(),
  });
  const conditions = new Conditions(recorder, clock, new ItemLists());
  conditions.decide();
  if (before.length === 0)
    recorder.record([
      { type: 'template.registered', template: TEMPLATE, definition: { ...template }, at: NOW },
    ]);
  for (const fact of facts) recorder.record([fact]);
  await writer.flush();
  return { log, book };
};

const ended = (stepId: string, output: unknown): readonly TaskEvent[] => [
  dispatched(stepId),
  { type: 'step.completed', taskId: 't1', step: success(stepId, 1, output) },
];
const begun = (parameters: Readonly<Record<string, unknown>> = { least: 3 }): TaskEvent =>
  submitted({ steps, parameters });
const factsOf = ({ log }: Led): readonly string[] =>
  log.stored
    .filter(({ type }) => type.startsWith('step.') || type.startsWith('task.'))
    .map(({ type, data }) => {
      const { stepId, skipped } = data as { readonly stepId?: string; readonly skipped?: string };
      return [type, stepId ?? skipped].join(' ').trim();
    });

describe('conditions', () => {
  it('are decided in the turn in which all that a step needs is over, also one behind the other', async () => {
    const low = await led([], [begun(), ...ended('a', { score: 2 })]);
    expect(factsOf(low)).toEqual([
      'task.submitted',
      'step.dispatched a',
      'step.completed',
      'step.admitted b',
      'step.skipped c',
      'step.skipped d',
      'step.skipped e',
      'step.skipped f',
    ]);
    const high = await led([], [begun(), ...ended('a', { score: 3 })]);
    expect(factsOf(high).slice(3)).toEqual(['step.skipped b', 'step.admitted c']);
    expect(factsOf(await led([], [begun()]))).toEqual(['task.submitted']);
  });

  it('complete the task with its result where the last step is left out', async () => {
    const facts = [begun({ least: 3, words: 'x' }), ...ended('a', { score: 7 })];
    const whole = await led([], [...facts, ...['c', 'd', 'e'].flatMap((stepId) => ended(stepId, stepId))]);
    expect(factsOf(whole).slice(-2)).toEqual(['step.completed', 'task.completed f']);
    expect(whole.log.stored.at(-1)?.data).toMatchObject({ skipped: 'f', result: 7 });
    expect(whole.book.closed.get('t1')).toBe('completed');
  });

  it('are decided by whoever leads next, the same, whatever was written before the death', async () => {
    const facts = [begun(), ...ended('a', { score: 2 })];
    const whole = await led([], facts);
    for (let cut = 2; cut < whole.log.stored.length; cut += 1) {
      const before = whole.log.stored.slice(0, cut);
      const left = facts.slice(before.filter(({ type }) => type !== 'leader.elected').length - 2);
      const next = await led(before, left);
      expect([cut, factsOf(next)]).toEqual([cut, factsOf(whole)]);
    }
  });

  it('that go beyond a limit fail the task', async () => {
    const heavy = submitted({ steps: steps.slice(0, 2), parameters: { words: 'x'.repeat(400_000) } });
    const definition = {
      ...template,
      steps: template.steps.map((step) =>
        step.id === 'b'
          ? {
              ...step,
              when: "{{ parameters.words | split: '' | join: '----------------------------------------------------------' | size }}",
            }
          : step,
      ),
    };
    const registered = { type: 'template.registered', template: TEMPLATE, definition, at: NOW } as const;
    const { log, book } = await led([], [registered as never, heavy, ...ended('a', 1)]);
    expect(log.stored.at(-1)).toMatchObject({
      type: 'task.failed',
      data: { failure: { code: 'TEMPLATE_RENDER_FAILED', message: expect.stringMatching(/steps\.b\.when/) } },
    });
    expect(book.closed.get('t1')).toBe('failed');
  });
});
