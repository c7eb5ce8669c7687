import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ScheduleCommand } from '#libs/contracts/commands.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import { ScheduleAudit } from '#libs/audit/schedule-audit.js';
import { Findings } from '#libs/audit/findings.js';
import { cronTimes } from '#libs/cron/cron-times.js';
import { canonicalJson } from '#libs/domain/canonical.js';
import { LATE_AFTER_MS } from '#libs/domain/schedule/decide-due.js';
import { dueTimesOf, type DueTimes } from '#libs/domain/schedule/due-times.js';
import { jitterOf } from '#libs/domain/schedule/jitter.js';
import type { ScheduleEvent } from '#libs/domain/schedule/schedule-events.js';
import { CATCH_UPS, OVERLAPS, type ScheduleSpec } from '#libs/domain/schedule/schedule.js';
import { cancelTask, isRefused } from '#libs/domain/task/decide.js';
import { emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { START, type LogWriter, type StoredEvent } from '#libs/event-log/event-log.js';
import { foldTask } from '#libs/event-log/state-folds.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { openingEvent } from '#libs/event-log/opening-event.js';
import { rfc3339 } from '#libs/runtime/clock.js';
import { createLogger } from '#libs/runtime/logger.js';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { scheduleSpec } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { Recorder } from './recorder.js';
import { ScheduleDesk } from './schedule-desk.js';

const compiled = (text: string): CompiledTemplate => {
  const made = compileTemplate(text, 'spec.yaml');
  if (!made.ok) throw new Error(JSON.stringify(made.problems));
  return made.template;
};
const NOOP = compiled(readFileSync('templates/noop.yaml', 'utf8'));
const STRICTER = compiled(
  'name: noop\nparameters:\n  who: { type: string, required: true }\nsteps:\n  - { id: noop, type: noop, with: {} }\n',
);
const logger = createLogger({ service: 'scheduler', instance: 'spec', level: 'silent' });

const T0 = Date.parse('2026-06-01T12:00:00.000Z');
const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000];

type Life = { readonly desk: ScheduleDesk; readonly recorder: Recorder; readonly writer: LogWriter };

/** A scheduler under a virtual clock that ticks every second; it can die at any place of its log, and another one goes on from there. */
class Play {
  nowMs = T0;
  stored: StoredEvent[] = [];
  #life: Life | null = null;
  openTasksMax = 1_000;

  get life(): Life {
    if (this.#life === null) throw new Error('nobody leads');
    return this.#life;
  }

  get book(): TaskBook {
    return this.life.recorder.book;
  }

  /** Another scheduler leads, from a fold of what is stored. */
  async lead(): Promise<void> {
    const log = new MemoryEventLog('TASKS');
    const book = emptyBook();
    for (const event of this.stored) {
      log.store(event);
      foldTask(book, event);
    }
    const last = this.stored.at(-1);
    const at = last ? { seq: last.seq, hash: last.hash } : START;
    const opening = openingEvent(
      at,
      { id: `log-${at.seq}`, node: 'n', time: rfc3339(this.nowMs) },
      SUBJECTS.scheduler,
    );
    const writer = await log.openWriter(at, opening);
    foldTask(book, log.stored.at(-1) as StoredEvent);
    this.stored = log.stored;
    const clock = { nowMs: () => this.nowMs };
    const recorder = new Recorder(writer, book, new TaskIndex(book, UNKNOWN_COSTS), clock, {
      givenUp: () => undefined,
      changed: () => undefined,
    });
    const desk = new ScheduleDesk({ recorder, clock, openTasksMax: this.openTasksMax, logger });
    this.#life = { desk, recorder, writer };
    if (!book.latestVersions.has('noop')) this.register(NOOP);
    desk.complete();
    desk.begin();
  }

  /** What the log has when its writer is killed behind this event; without one, behind the last. */
  async die(at?: number): Promise<void> {
    await this.life.writer.flush();
    this.stored = this.stored.slice(0, at);
    this.#life = null;
  }

  register(template: CompiledTemplate): void {
    const { name, version } = template;
    this.life.recorder.record([
      {
        type: 'template.registered',
        template: { name, version },
        definition: template,
        at: rfc3339(this.nowMs),
      },
    ]);
  }

  command(command: ScheduleCommand): ReturnType<ScheduleDesk['decide']> {
    const { desk, recorder } = this.life;
    const outcome = desk.decide(command);
    if (Array.isArray(outcome)) recorder.record(outcome);
    desk.changed(command.scheduleId);
    return outcome;
  }

  put(more: Partial<ScheduleSpec> = {}, scheduleId = 's'): ReturnType<ScheduleDesk['decide']> {
    const spec = scheduleSpec({ ...more });
    const schedule = { ...spec, task: { ...spec.task, template: { name: 'noop' }, ...more.task } };
    return this.command({ kind: 'put-schedule', commandId: 'c', scheduleId, schedule });
  }

  /** On to a time, tick by tick. */
  until(ms: number, stepMs = SECOND): void {
    while (this.nowMs < ms) {
      this.nowMs = Math.min(ms, this.nowMs + stepMs);
      this.life.desk.tick();
    }
  }

  jump(ms: number): void {
    this.nowMs += ms;
    this.life.desk.tick();
  }

  /** Ends the oldest open task, as if it were done. */
  endOne(): void {
    const [taskId] = this.book.open.keys();
    if (taskId === undefined) return;
    const decision = cancelTask(taskId, 'done', this.book, rfc3339(this.nowMs));
    if (!isRefused(decision)) this.life.recorder.record(decision);
  }

  /** Ends what is open at once, all the time. */
  endAll(): void {
    while (this.book.open.size > 0) this.endOne();
  }

  get events(): readonly ScheduleEvent[] {
    return this.stored
      .filter(({ type }) => type.startsWith('schedule.'))
      .map(({ type, data }) => ({ ...(data as object), type }) as ScheduleEvent);
  }

  /** Due times that fired, `HH:MM` where nothing else differs. */
  async fired(): Promise<readonly string[]> {
    await this.life.writer.flush();
    return this.events.flatMap((event) => (event.type === 'schedule.fired' ? [short(event.dueAt)] : []));
  }

  /** All facts about due times. */
  async facts(): Promise<readonly string[]> {
    await this.life.writer.flush();
    return this.events.flatMap((event) => {
      if (event.type === 'schedule.skipped')
        return [`${event.reason} ${event.count}${event.more ? '+' : ''} until ${short(event.lastDueAt)}`];
      return 'dueAt' in event ? [`${event.type.slice(9)} ${short(event.dueAt)}`] : [];
    });
  }

  async audit(): Promise<readonly unknown[]> {
    await this.life.writer.flush();
    const findings = new Findings();
    const audit = new ScheduleAudit('TASKS', findings);
    for (const event of this.stored)
      audit.take({ ...event, data: event.data as Readonly<Record<string, unknown>>, payload: '' });
    audit.settle();
    return findings.kept;
  }
}

const short = (time: string): string =>
  time.startsWith('2026-06-01T')
    ? time.slice(11).replace(/(:00)?\.000Z$/, '')
    : time.replace(/(:00)?\.000Z$/, 'Z');

const played = async (): Promise<Play> => {
  const play = new Play();
  await play.lead();
  return play;
};

const AT = (time: string): number => Date.parse(`2026-06-01T${time}:00Z`);

describe('a schedule', () => {
  it('fires at each of its times, and its tasks say so', async () => {
    const play = await played();
    play.put({ overlap: 'cancel_old' });
    play.until(AT('13:00'));
    expect(await play.fired()).toEqual(['12:15', '12:30', '12:45', '13:00']);
    const [task] = play.book.open.values();
    expect(task).toMatchObject({
      id: 's-20260601130000000',
      template: { name: 'noop', version: NOOP.version },
      parameters: { delay_ms: 0 },
      labels: { schedule: 's' },
      schedule: { scheduleId: 's', dueAt: '2026-06-01T13:00:00.000Z' },
    });
    expect(play.book.schedules.get('s')).toMatchObject({ firings: 4, open: ['s-20260601130000000'] });
  });

  it.each<readonly [string, string, string, string, readonly string[]]>([
    [
      'Europe/Berlin',
      '30 2 * * *',
      '2026-03-28T12:00Z',
      '2026-03-30T12:00Z',
      ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
    ],
    [
      'Europe/Berlin',
      '30 2 * * *',
      '2026-10-24T12:00Z',
      '2026-10-26T12:00Z',
      ['2026-10-25T00:30Z', '2026-10-26T01:30Z'],
    ],
    [
      'America/New_York',
      '30 2 * * *',
      '2026-03-07T12:00Z',
      '2026-03-09T12:00Z',
      ['2026-03-08T07:00Z', '2026-03-09T06:30Z'],
    ],
    [
      'America/New_York',
      '30 1 * * *',
      '2026-10-31T12:00Z',
      '2026-11-02T12:00Z',
      ['2026-11-01T05:30Z', '2026-11-02T06:30Z'],
    ],
  ])('in %s fires %s once a night, from %s', async (timeZone, cron, from, until, due) => {
    const play = new Play();
    play.nowMs = Date.parse(from);
    await play.lead();
    play.put({ rule: { kind: 'cron', cron, timeZone }, overlap: 'cancel_old' });
    play.until(Date.parse(until), MINUTE);
    expect(await play.fired()).toEqual(due);
  });

  it('begins at its start, ends at its end, and fires no more often than it may', async () => {
    const play = await played();
    const [startAt, endAt] = [rfc3339(AT('13:10')), rfc3339(AT('13:55'))];
    play.put({ startAt, endAt, overlap: 'cancel_old' });
    play.put({ firingsMax: 2, overlap: 'cancel_old' }, 'twice');
    play.put({ rule: { kind: 'at', at: rfc3339(AT('13:20')) } }, 'once');
    play.until(AT('16:00'));
    await play.life.writer.flush();
    const of = (id: string) =>
      play.events.flatMap((event) =>
        event.type === 'schedule.fired' && event.scheduleId === id ? [short(event.dueAt)] : [],
      );
    expect([of('s'), of('twice'), of('once')]).toEqual([
      ['13:10', '13:25', '13:40', '13:55'],
      ['12:15', '12:30'],
      ['13:20'],
    ]);
    expect(play.life.desk.list({ limit: 10 }).items.map(({ status }) => status)).toEqual([
      'finished',
      'finished',
      'finished',
    ]);
    expect(await play.audit()).toEqual([]);
  });

  it('puts each firing off by what always is the same', async () => {
    const jitterMs = 5 * MINUTE;
    const play = await played();
    play.put({ jitterMs, overlap: 'cancel_old' });
    play.until(AT('16:10'));
    await play.life.writer.flush();
    const delays = play.events.flatMap((event) =>
      event.type === 'schedule.fired' ? [Date.parse(event.at) - Date.parse(event.dueAt)] : [],
    );
    expect(delays).toHaveLength(16);
    for (const [place, delay] of delays.entries()) {
      const want = jitterOf('s', AT('12:15') + place * 15 * MINUTE, jitterMs);
      expect(delay - want).toBeGreaterThanOrEqual(0);
      expect(delay - want).toBeLessThan(SECOND);
    }
    expect(new Set(delays).size).toBeGreaterThan(8);
    expect(Math.max(...delays)).toBeLessThanOrEqual(jitterMs + SECOND);
  });

  it('fires nothing while it is paused, and makes up for nothing afterwards', async () => {
    const play = await played();
    play.put({ overlap: 'cancel_old' });
    play.until(AT('12:15'));
    play.command({ kind: 'pause-schedule', commandId: 'c', scheduleId: 's', reason: 'x', by: 'ada' });
    play.until(AT('13:05'));
    expect(play.life.desk.reply('s', 1)).toMatchObject({
      schedule: { status: 'paused', next: [{ dueMs: AT('13:15') }] },
    });
    play.command({ kind: 'resume-schedule', commandId: 'c', scheduleId: 's', by: 'ada' });
    play.until(AT('13:15'));
    expect(await play.fired()).toEqual(['12:15', '13:15']);
  });

  it('decides what was due before a change by what held then', async () => {
    const play = await played();
    play.put({ overlap: 'cancel_old' });
    // No tick between the due time and the change.
    play.nowMs = AT('12:15') + 100;
    play.put({ rule: { kind: 'every', everyMs: HOUR }, overlap: 'cancel_old' });
    play.until(AT('14:00'));
    expect(await play.fired()).toEqual(['12:15', '13:00', '14:00']);
  });

  it('fires by hand while it is paused, once for each key, and that counts for nothing else', async () => {
    const play = await played();
    play.put({ firingsMax: 1 });
    play.command({ kind: 'pause-schedule', commandId: 'c', scheduleId: 's', reason: 'x', by: 'ada' });
    const idempotency = { key: 'k', requestHash: 'h' };
    const fire = (taskId: string) =>
      play.command({ kind: 'fire-schedule', commandId: taskId, scheduleId: 's', taskId, idempotency });
    fire('hand-1');
    expect(fire('hand-2')).toEqual({ repeatedOf: 'hand-1' });
    expect(play.book.schedules.get('s')).toMatchObject({
      firings: 0,
      open: ['hand-1'],
      lastFiring: { byHand: true },
    });
    expect(await play.audit()).toEqual([]);
  });
});

describe('a due time whose submission is refused', () => {
  it('is a fact, and the schedule goes on', async () => {
    const play = await played();
    play.put({ overlap: 'cancel_old' });
    play.until(AT('12:20'));
    play.register(STRICTER);
    play.until(AT('12:35'));
    expect(play.book.schedules.get('s')?.lastError).toMatchObject({
      dueAt: '2026-06-01T12:30:00.000Z',
      failure: { code: 'PARAMETERS_INVALID', message: expect.stringMatching(/who.*noop@/) },
    });
    // The version that was there before comes back.
    play.register(NOOP);
    play.until(AT('12:50'));
    expect(await play.facts()).toEqual(['fired 12:15', 'failed 12:30', 'fired 12:45']);
  });

  it('follows no other version of its template when it is pinned', async () => {
    const play = await played();
    const { name, version } = NOOP;
    play.put({ overlap: 'cancel_old', task: { ...scheduleSpec().task, template: { name, version } } });
    play.register(STRICTER);
    play.until(AT('12:20'));
    expect(await play.fired()).toEqual(['12:15']);
  });

  it('of a full queue is not tried again', async () => {
    const play = new Play();
    play.openTasksMax = 1;
    await play.lead();
    play.put({ rule: { kind: 'at', at: rfc3339(AT('12:01')) } }, 'first');
    play.put({ overlap: 'queue' });
    play.until(AT('12:16'));
    play.endAll();
    play.until(AT('12:31'));
    expect(await play.facts()).toEqual(['fired 12:01', 'failed 12:15', 'fired 12:30']);
    expect(play.book.schedules.get('s')?.lastError?.failure.code).toBe('QUEUE_FULL');
  });
});

describe('while a task of an earlier time is open', () => {
  it.each([
    ['skip', ['fired 12:15', 'overlap 1 until 12:30', 'overlap 1 until 12:45', 'fired 13:00']],
    [
      'queue',
      [
        'fired 12:15',
        'queued 12:30',
        'queued 12:45',
        'fired 12:30',
        'queued 13:00',
        'fired 12:45',
        'fired 13:00',
      ],
    ],
    ['cancel_old', ['fired 12:15', 'fired 12:30', 'fired 12:45', 'fired 13:00']],
  ] as const)('a schedule of %s does so', async (overlap, facts) => {
    const play = await played();
    play.put({ overlap, endAt: rfc3339(AT('13:00')) });
    play.until(AT('12:50'));
    expect(play.book.open.size).toBe(1);
    play.endOne();
    play.until(AT('13:05'));
    for (let n = 0; n < 3; n += 1) {
      play.endOne();
      play.until(play.nowMs + SECOND);
    }
    expect(await play.facts()).toEqual(facts);
    expect(play.book.open.size).toBe(0);
    expect(await play.audit()).toEqual([]);
  });

  it('no more than a hundred due times wait', async () => {
    const play = await played();
    play.put({ overlap: 'queue', rule: { kind: 'every', everyMs: SECOND } });
    play.until(T0 + 103 * SECOND);
    expect((await play.facts()).slice(-3)).toEqual([
      'queued 12:01:41',
      'queue-full 1 until 12:01:42',
      'queue-full 1 until 12:01:43',
    ]);
  });
});

describe('after half an hour without a scheduler', () => {
  it.each([
    ['none', ['fired 12:10', 'missed 3 until 12:40', 'fired 12:50']],
    ['last', ['fired 12:10', 'missed 2 until 12:30', 'fired 12:40', 'fired 12:50']],
    ['all', ['fired 12:10', 'fired 12:20', 'fired 12:30', 'fired 12:40', 'fired 12:50']],
  ] as const)('a schedule that catches up with %s does so', async (catchUp, facts) => {
    const play = await played();
    play.put({ catchUp, overlap: 'cancel_old', rule: { kind: 'every', everyMs: 10 * MINUTE } });
    play.until(AT('12:15'));
    await play.die();
    play.nowMs = AT('12:45');
    await play.lead();
    play.until(AT('12:50'));
    expect(await play.facts()).toEqual(facts);
    expect(await play.audit()).toEqual([]);
  });

  it('all is the newest hundred, and the others are passed over in one fact', async () => {
    const play = await played();
    play.put({
      catchUp: 'all',
      overlap: 'cancel_old',
      rule: { kind: 'cron', cron: '* * * * *', timeZone: 'UTC' },
    });
    await play.die();
    play.nowMs = Date.parse('2026-06-11T12:00:30Z');
    await play.lead();
    play.until(play.nowMs + 5 * SECOND);
    const facts = await play.facts();
    expect(facts[0]).toBe('missed 20+ until 2026-06-11T10:19Z');
    expect(facts.slice(1)).toHaveLength(101);
    expect(facts.at(-1)).toBe('fired 2026-06-11T12:00Z');
  });

  it.each(CATCH_UPS)('a change of leaders of less than a minute misses nothing: %s', async (catchUp) => {
    const play = await played();
    play.put({ catchUp, overlap: 'cancel_old' });
    play.until(AT('12:15') - SECOND);
    await play.die();
    play.nowMs = AT('12:15') + 30 * SECOND;
    await play.lead();
    expect(await play.facts()).toEqual(['fired 12:15']);
  });
});

describe('a clock that jumps', () => {
  it('back fires nothing twice, and goes on when it has caught up', async () => {
    const play = await played();
    play.put({ overlap: 'cancel_old' });
    play.until(AT('12:31'));
    play.jump(-20 * MINUTE);
    play.until(AT('12:46'));
    play.jump(-HOUR);
    await play.die();
    await play.lead();
    play.until(AT('13:01'));
    expect(await play.fired()).toEqual(['12:15', '12:30', '12:45', '13:00']);
  });

  it('forth by less than a minute loses nothing; by more it is as a downtime', async () => {
    const play = await played();
    play.put({ overlap: 'cancel_old', catchUp: 'none' });
    play.until(AT('12:15') - SECOND);
    play.jump(45 * SECOND);
    play.until(AT('12:25'));
    play.jump(40 * MINUTE);
    play.until(AT('13:16'));
    expect(await play.facts()).toEqual(['fired 12:15', 'missed 3 until 13:00', 'fired 13:15']);
  });
});

describe('a scheduler that is killed behind any event', () => {
  it.each(OVERLAPS)(
    'leaves a log from which the next one makes each firing once, with its task: %s',
    async (overlap) => {
      const run = async (play: Play): Promise<Play> => {
        if (play.nowMs < AT('12:50')) {
          play.until(AT('12:50'));
          play.endAll();
        }
        play.until(AT('13:01'));
        await play.life.writer.flush();
        return play;
      };
      const whole = await played();
      whole.put({ overlap });
      await run(whole);
      const facts = await whole.facts();
      const behindPut = whole.stored.findIndex(({ type }) => type === 'schedule.created') + 1;
      let between = 0;
      for (let cut = behindPut; cut <= whole.stored.length; cut += 1) {
        const last = whole.stored[cut - 1] as StoredEvent;
        if (last.type === 'schedule.fired') between += 1;
        const play = new Play();
        play.stored = whole.stored.slice(0, cut);
        play.nowMs = Date.parse(last.time);
        await play.lead();
        if (last.type === 'schedule.fired') expect(play.book.open.size).toBeGreaterThan(0);
        await run(play);
        expect([cut, await play.facts()]).toEqual([cut, facts]);
        expect([cut, await play.audit()]).toEqual([cut, []]);
        const ids = play.stored.filter(({ type }) => type === 'task.submitted').map(({ taskId }) => taskId);
        expect(new Set(ids).size).toBe(ids.length);
      }
      expect(between).toBe(facts.filter((fact) => fact.startsWith('fired')).length);
    },
  );
});

const RULES: readonly ScheduleSpec['rule'][] = [
  { kind: 'every', everyMs: 7 * SECOND },
  { kind: 'every', everyMs: 15 * MINUTE },
  { kind: 'every', everyMs: 50 * SECOND },
  { kind: 'cron', cron: '*/10 * * * *', timeZone: 'Europe/Berlin' },
  { kind: 'cron', cron: '15,45 2-4 * * *', timeZone: 'Europe/Berlin' },
  { kind: 'cron', cron: '20 */5 * * * *', timeZone: 'America/New_York' },
  { kind: 'at', at: '2026-10-25T00:45:00.000Z' },
];

const away = fc.record({
  /** How long somebody leads, and then nobody. */
  ledMs: fc.integer({ min: 1, max: 40 * MINUTE }),
  awayMs: fc.oneof(fc.constant(0), fc.nat(55 * SECOND), fc.integer({ min: 2 * MINUTE, max: 90 * MINUTE })),
  /** Events that the dead one had not stored: an append is stored whole or in part. */
  lost: fc.nat(1),
});

describe('any rule, whatever the downtimes', () => {
  it('fires each due time once that the policy makes fire, and no other', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...RULES),
        fc.constantFrom(...CATCH_UPS),
        fc.constantFrom(0, 5 * SECOND, 10 * MINUTE),
        fc.array(away, { minLength: 1, maxLength: 4 }),
        async (rule, catchUp, jitterMs, times) => {
          const play = new Play();
          // The night in which Berlin's clocks are set back.
          play.nowMs = Date.parse('2026-10-24T23:50:00Z');
          await play.lead();
          play.put({ rule, catchUp, jitterMs, overlap: 'cancel_old' });
          const beganMs = play.nowMs;
          const gaps: (readonly [fromMs: number, toMs: number])[] = [];
          const step = rule.kind === 'every' && rule.everyMs < MINUTE ? SECOND : 10 * SECOND;
          for (const { ledMs, awayMs, lost } of times) {
            play.until(play.nowMs + ledMs, step);
            await play.life.writer.flush();
            // What a firing began with may be stored and its task not; nothing else is ever in part.
            const last = play.stored.at(-1);
            const isFiring = last?.type === 'task.submitted' && play.stored.at(-2)?.type === 'schedule.fired';
            await play.die(play.stored.length - (isFiring ? lost : 0));
            gaps.push([play.nowMs, play.nowMs + awayMs]);
            play.nowMs += awayMs;
            await play.lead();
          }
          play.until(play.nowMs + 20 * MINUTE, step);
          await play.life.writer.flush();
          const createdAt = rfc3339(beganMs);
          const spec = scheduleSpec({ rule });
          const all = dueUntil(dueTimesOf({ spec, createdAt }, cronTimes), beganMs, play.nowMs);
          const { mayFire, mustFire, atMostOf } = expected(all, {
            gaps,
            catchUp,
            jitterMs,
            endMs: play.nowMs,
            stepMs: step,
            id: 's',
          });
          const firedMs = play.events.flatMap((event) =>
            event.type === 'schedule.fired' ? [Date.parse(event.dueAt)] : [],
          );
          expect(firedMs).toEqual([...new Set(firedMs)].toSorted((a, b) => a - b));
          expect(firedMs.filter((due) => !mayFire.has(due))).toEqual([]);
          expect(mustFire.filter((due) => !firedMs.includes(due))).toEqual([]);
          for (const [missed, most] of atMostOf)
            expect(firedMs.filter((due) => missed.has(due)).length).toBeLessThanOrEqual(most);
          expect(await play.audit()).toEqual([]);
          const book = emptyBook();
          for (const event of play.stored) foldTask(book, event);
          expect(canonicalJson(book)).toBe(canonicalJson(play.book));
        },
      ),
      { numRuns: 60 },
    ));
});

const dueUntil = (times: DueTimes, afterMs: number, untilMs: number): readonly number[] => {
  const due: number[] = [];
  for (let at = times.nextAfter(afterMs); at !== null && at <= untilMs; at = times.nextAfter(at))
    due.push(at);
  return due;
};

type Expected = {
  readonly mayFire: ReadonlySet<number>;
  readonly mustFire: readonly number[];
  /** Of these due times, no more than so many fire. */
  readonly atMostOf: readonly (readonly [ReadonlySet<number>, number])[];
};

/** By brute force, from the words of the policy: which due times were missed in which downtime, and what makes up for them. */
const expected = (
  all: readonly number[],
  given: {
    readonly gaps: readonly (readonly [number, number])[];
    readonly catchUp: ScheduleSpec['catchUp'];
    readonly jitterMs: number;
    readonly endMs: number;
    readonly stepMs: number;
    readonly id: string;
  },
): Expected => {
  const { gaps, catchUp, jitterMs, endMs, stepMs, id } = given;
  // Firings keep their order: none is before the one of an earlier due time.
  const firesMs = new Map<number, number>();
  let latestMs = 0;
  for (const due of all) {
    latestMs = Math.max(latestMs, due + jitterOf(id, due, jitterMs));
    firesMs.set(due, latestMs);
  }
  /** The end of the downtime in which it was missed; null for one that was in time. */
  const missedUntil = (due: number): number | null => {
    const gap = gaps.find(
      ([from, to]) => (firesMs.get(due) ?? 0) > from && due < to - LATE_AFTER_MS - jitterMs,
    );
    return gap?.[1] ?? null;
  };
  const [mayFire, mustFire] = [new Set<number>(), [] as number[]];
  const missed = new Map<number, number[]>();
  for (const due of all) {
    const until = missedUntil(due);
    if (until !== null) missed.set(until, [...(missed.get(until) ?? []), due]);
    else {
      mayFire.add(due);
      // What is put off waits for those before it, and the end of the play may come first.
      if (due + jitterMs + stepMs < endMs) mustFire.push(due);
    }
  }
  const most = { none: 0, last: 1, all: 100 }[catchUp];
  const atMostOf: [ReadonlySet<number>, number][] = [];
  for (const group of missed.values()) {
    const kept = most === 0 ? [] : group.slice(-most);
    for (const due of kept) mayFire.add(due);
    mustFire.push(...kept);
    atMostOf.push([new Set(group), most]);
  }
  return { mayFire, mustFire, atMostOf };
};
