import { describe, expect, it } from '@jest/globals';
import type { Command } from '#libs/contracts/commands.js';
import { emptyBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { START } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { createLogger } from '#libs/runtime/logger.js';
import { NOW, NOW_MS, submission, TEMPLATE } from '#libs/testing/builders.js';
import { Answers } from './answers.js';
import { Intake } from './intake.js';
import { Recorder } from './recorder.js';
import { ChildDesk } from './child-desk.js';
import { ItemLists } from './item-lists.js';
import { WaitingDesk } from './waiting-desk.js';
import { ScheduleDesk } from './schedule-desk.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';

const registration: Command = { kind: 'template', commandId: 'c-0', template: TEMPLATE, definition: {} };
const accepted = (commandId: string): Command => ({
  kind: 'submit',
  commandId,
  ...submission({ taskId: `t-${commandId}` }),
});
const refused = (commandId: string): Command => ({
  kind: 'cancel',
  commandId,
  taskId: 'nobody',
  reason: 'enough',
});

/** What the log holds of commands that arrive in one turn: type and cause. */
const recordedOf = async (...commands: readonly Command[]): Promise<readonly string[]> => {
  const log = new MemoryEventLog('TASKS');
  const opening = openingEvent(
    START,
    { id: 'log-1', node: 'n', time: NOW },
    () => 'evt.scheduler.log-started',
  );
  const writer = await log.openWriter(START, opening);
  const book = emptyBook();
  const clock = { nowMs: () => NOW_MS };
  const nobody = { givenUp: () => undefined, changed: () => undefined };
  const recorder = new Recorder(writer, book, new TaskIndex(book, UNKNOWN_COSTS), clock, nobody);
  const answers = new Answers(() => undefined);
  const logger = createLogger({ service: 'scheduler', instance: 'spec', level: 'silent' });
  const intake = new Intake({
    recorder,
    clock,
    random: () => 0.5,
    openTasksMax: 10,
    isServerKnown: () => true,
    answers,
    schedules: new ScheduleDesk({ recorder, clock, openTasksMax: 10, logger }),
    waiting: new WaitingDesk(
      recorder,
      clock,
      new ChildDesk({ recorder, clock, random: () => 0.5, lists: new ItemLists(), openTasksMax: 10 }),
    ),
  });
  for (const [place, data] of commands.entries())
    intake.command({ id: data.commandId, subject: 'cmd.x', data, seq: place + 1, storedAtMs: NOW_MS });
  await new Promise((resolve) => setImmediate(resolve));
  await writer.flush();
  return log.stored.slice(1).map(({ type, causationId }) => `${type} ${causationId}`);
};

describe('commands of one turn', () => {
  it('are refused together', async () =>
    expect(await recordedOf(refused('c-1'), refused('c-2'))).toEqual(['commands.refused cmd:2']));

  it('never leave a refusal behind a later decision: a leader that dies between them would pass it over', async () =>
    expect(
      await recordedOf(registration, refused('c-1'), refused('c-2'), accepted('c-3'), refused('c-4')),
    ).toEqual([
      'template.registered cmd:1',
      'commands.refused cmd:3',
      'task.submitted cmd:4',
      'commands.refused cmd:5',
    ]));
});

describe('a command that makes several facts', () => {
  const many: Command = { kind: 'cancel-many', commandId: 'c-9', choice: {}, reason: 'x', tasksMax: 10 };

  it('has had its effect with the last of them: a leader that dies before it leaves the rest to be decided again', async () => {
    const facts = await recordedOf(registration, accepted('t-1'), accepted('t-2'), accepted('t-3'), many);
    expect(facts.slice(4)).toEqual([
      'task.cancelled part-cmd:5',
      'task.cancelled part-cmd:5',
      'task.cancelled cmd:5',
    ]);
  });

  it('is decided where it makes none, without a fact', async () =>
    expect(await recordedOf(many, refused('c-1'))).toEqual(['commands.refused cmd:2']));
});
