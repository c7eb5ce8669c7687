import { describe, expect, it } from '@jest/globals';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { isRefused } from '#libs/domain/task/decide.js';
import { emptyBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { START, type StoredEvent } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { foldTask } from '#libs/event-log/state-folds.js';
import { compileTemplate } from '#libs/template/compile-template.js';
import { planSteps } from '#libs/template/plan-steps.js';
import { later, NOW, NOW_MS, submitted, TEMPLATE } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { ChildDesk } from './child-desk.js';
import { ItemLists } from './item-lists.js';
import { Recorder } from './recorder.js';
import { WaitingDesk } from './waiting-desk.js';

const TEMPLATE_TEXT = `
name: summarize
parameters: { days: { type: string }, text: { type: string } }
steps:
  - { id: pause, type: delay, with: { for: '{{ parameters.days }}' } }
  - id: review
    type: approval
    with: { message: 'Send {{ parameters.text }}?', text: '{{ parameters.text }}', timeout: 10s, on_timeout: approve, remind_every: 4s }
output: '{{ steps.review.output.choice }} {{ steps.pause.output.until }}'
`;
const template = (() => {
  const result = compileTemplate(TEMPLATE_TEXT, 'summarize.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.template;
})();
const begun = (days = '2s', text = 'it'): TaskEvent => {
  const parameters = { days, text };
  const planned = planSteps(template, parameters, { numCtx: 4096 });
  if (!planned.ok) throw new Error(planned.failure.message);
  return submitted({ steps: planned.steps, parameters });
};

/** A scheduler that leads from what the log has, at a time that the spec sets. */
const leading = async (before: readonly StoredEvent[] = []) => {
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
  let nowMs = NOW_MS;
  const clock = { nowMs: () => nowMs };
  const index = new TaskIndex(book, UNKNOWN_COSTS);
  index.rebuild(nowMs);
  const recorder: Recorder = new Recorder(writer, book, index, clock, {
    givenUp: () => undefined,
    changed: () => desk.begin(),
  });
  const children = new ChildDesk({
    recorder,
    clock,
    random: () => 0.5,
    lists: new ItemLists(),
    openTasksMax: 10,
  });
  const desk = new WaitingDesk(recorder, clock, children);
  if (before.length === 0)
    recorder.record([
      { type: 'template.registered', template: TEMPLATE, definition: { ...template }, at: NOW },
    ]);
  return {
    book,
    desk,
    recorder,
    /** The clock goes on to this moment, and what is due is decided. */
    until: (inMs: number): void => {
      nowMs = NOW_MS + inMs;
      desk.tick();
    },
    stored: async (): Promise<readonly StoredEvent[]> => {
      await writer.flush();
      return log.stored;
    },
    facts: async (): Promise<readonly string[]> => {
      await writer.flush();
      return log.stored.map(({ type }) => type).filter((type) => /^(step|task)\./.test(type));
    },
  };
};
const answer = (by: string, waitingSeq: number, choice = 'approve') => ({
  kind: 'answer' as const,
  commandId: `c-${by}`,
  taskId: 't1',
  stepId: 'review',
  waitingSeq,
  answer: { kind: 'approval' as const, choice, text: null, by, comment: null },
});

describe('steps that wait', () => {
  it('begin in the turn in which their turn comes, filled in, and end by the clock', async () => {
    const led = await leading();
    led.recorder.record([begun()]);
    expect(await led.facts()).toEqual(['task.submitted', 'step.waiting']);
    led.until(1_999);
    expect(await led.facts()).toHaveLength(2);
    led.until(2_000);
    expect((await led.facts()).slice(2)).toEqual(['step.waited', 'step.waiting']);
    const asked = (await led.stored()).at(-1)?.data;
    expect(asked).toMatchObject({
      waiting: { kind: 'approval', message: 'Send it?', text: 'it', timeout: { at: later(12_000) } },
    });
    led.until(6_000);
    led.until(12_000);
    expect((await led.facts()).slice(4)).toEqual(['step.reminded', 'step.answered', 'task.completed']);
    expect((await led.stored()).at(-1)?.data).toMatchObject({ result: `approve ${later(2_000)}` });
  });

  it.each(['queue', 'workspace:home'] as const)(
    'begin when a pause of %s is lifted, and end during one',
    async (scope) => {
      const led = await leading();
      const by = { scope, by: 'ada', at: NOW };
      const pause = { type: 'scheduling.paused', reason: 'repair', ...by } as const;
      const resume = { type: 'scheduling.resumed', ...by } as const;
      led.recorder.record([pause]);
      led.recorder.record([begun()]);
      expect(await led.facts()).toEqual(['task.submitted']);
      led.recorder.record([resume]);
      expect((await led.facts()).slice(1)).toEqual(['step.waiting']);
      led.recorder.record([pause]);
      led.until(2_000);
      expect((await led.facts()).slice(2)).toEqual(['step.waited']);
      led.recorder.record([resume]);
      expect((await led.facts()).slice(3)).toEqual(['step.waiting']);
    },
  );

  it('go on where the last leader was, whatever it had decided of them', async () => {
    const whole = await leading();
    whole.recorder.record([begun()]);
    whole.until(2_000);
    whole.until(6_000);
    whole.until(12_000);
    const all = await whole.stored();
    const ends = all.length;
    for (let known = 3; known < ends; known += 1) {
      const next = await leading(all.slice(0, known));
      next.desk.begin();
      for (const inMs of [2_000, 6_000, 12_000]) next.until(inMs);
      expect([known, next.book.closed.get('t1')]).toEqual([known, 'completed']);
      const types = await next.facts();
      expect(types.filter((type) => type === 'step.answered')).toHaveLength(1);
      expect(types.filter((type) => type === 'step.waiting')).toHaveLength(2);
    }
  });

  it('are answered once, and what was due before the answer comes first', async () => {
    const led = await leading();
    led.recorder.record([begun('100ms')]);
    led.until(100);
    const seq = (await led.stored()).at(-1)?.seq ?? 0;
    const first = led.desk.answer(answer('ada', seq));
    if (isRefused(first)) throw new Error(first.refused.message);
    led.recorder.record(first);
    expect(led.desk.answer(answer('grace', seq))).toMatchObject({ refused: { code: 'TASK_ALREADY_OVER' } });

    const late = await leading();
    late.recorder.record([begun('100ms')]);
    late.until(100);
    late.until(10_100);
    expect(late.desk.answer(answer('ada', seq))).toMatchObject({ refused: { code: 'TASK_ALREADY_OVER' } });
  });

  it('fail their task where what they wait for cannot be made', async () => {
    const led = await leading();
    led.recorder.record([begun('1000d')]);
    expect(await led.facts()).toEqual(['task.submitted', 'task.failed']);
    expect((await led.stored()).at(-1)?.data).toMatchObject({
      failure: { code: 'STEP_INPUT_INVALID', message: expect.stringContaining('from 100ms to 366d') },
    });
  });
});
