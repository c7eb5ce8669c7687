import { describe, expect, it } from '@jest/globals';
import { isRefused } from '#libs/domain/task/decide.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import { pauseScheduling, resumeScheduling } from '#libs/domain/task/pause-decisions.js';
import {
  pauseOfServer,
  pauseOfTask,
  scopeOf,
  type Pause,
  type PauseScope,
  type Pauses,
} from '#libs/domain/task/pauses.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { applyToBook } from '#libs/domain/task/task-book.js';
import { later, NOW, NOW_MS, submitted } from '#libs/testing/builders.js';
import { bookOf, given } from '#libs/testing/spec.js';
import { PLAIN, UNKNOWN_COSTS } from '#libs/testing/snapshots.js';

const paused = (scope: PauseScope, reason = 'demo', by = 'ada'): SchedulerEvent => ({
  type: 'scheduling.paused',
  scope,
  reason,
  by,
  at: NOW,
});
const resumed = (scope: PauseScope): SchedulerEvent => ({
  type: 'scheduling.resumed',
  scope,
  by: 'ada',
  at: NOW,
});
const pause =
  (scope: PauseScope, reason = 'demo', by = 'ada') =>
  ({ pauses }: { readonly pauses: Pauses }) =>
    pauseScheduling({ scope, reason, by }, pauses, { at: NOW, isServerKnown: (id) => id === 'gpu1' });
const resume =
  (scope: PauseScope) =>
  ({ pauses }: { readonly pauses: Pauses }) =>
    resumeScheduling({ scope, by: 'ada' }, pauses, NOW);

describe('a scope', () => {
  it.each(['queue', 'workspace:team-a', 'template:summarize', 'server:gpu1'])('is %s', (text) =>
    expect(scopeOf(text)).toBe(text),
  );

  it.each([
    '',
    'queue:',
    'Queue',
    'queue:x',
    'workspace',
    'workspace:',
    'server:A',
    'task:t1',
    'a:b:c',
    'server:a:b',
  ])('is not %j', (text) => expect(scopeOf(text)).toBeNull());
});

describe('pausing', () => {
  it.each<PauseScope>(['queue', 'workspace:home', 'template:summarize', 'server:gpu1'])(
    'of %s is a fact with who and why, once',
    (scope) => {
      given().when(pause(scope)).then(paused(scope));
      given(paused(scope)).when(pause(scope)).thenNothing();
    },
  );

  it('again with another reason, or by another one, is a new fact', () => {
    given(paused('queue')).when(pause('queue', 'power cut')).then(paused('queue', 'power cut'));
    given(paused('queue'))
      .when(pause('queue', 'demo', 'bob'))
      .then(paused('queue', 'demo', 'bob'));
    expect(bookOf([paused('queue'), paused('queue', 'power cut')]).pauses.get('queue')).toEqual({
      scope: 'queue',
      reason: 'power cut',
      by: 'ada',
      since: NOW,
    });
  });

  it('of a server that is not there is refused', () =>
    given()
      .when(pause('server:gpu9'))
      .thenRefused('SERVER_UNKNOWN', /'gpu9'/));

  it('has an end: after a thousand, one has to be lifted first', () => {
    const scopes = Array.from({ length: 1_000 }, (_, n): PauseScope => `workspace:w${n}`);
    given(...scopes.map((scope) => paused(scope)))
      .when(pause('queue'))
      .thenRefused('PAUSES_TOO_MANY', /1000 are allowed/);
    given(...scopes.map((scope) => paused(scope)))
      .when(pause('workspace:w5', 'other'))
      .then(paused('workspace:w5', 'other'));
  });

  it('is lifted by a fact, and what is not paused cannot be resumed', () => {
    given(paused('queue')).when(resume('queue')).then(resumed('queue'));
    given(paused('workspace:home'))
      .when(resume('queue'))
      .thenRefused('PAUSE_UNKNOWN', /'queue'.*workspace:home/);
    expect(bookOf([paused('queue'), resumed('queue')]).pauses.size).toBe(0);
    expect(isRefused(resume('queue')(bookOf([paused('queue'), resumed('queue')])))).toBe(true);
  });
});

describe('a task', () => {
  const task = submitted();
  const underPauses = (...scopes: readonly PauseScope[]): Pause | undefined =>
    pauseOfTask(task, bookOf(scopes.map((scope) => paused(scope))).pauses);

  it('is held back by a pause of everything, of its workspace and of its template, and by no other', () => {
    expect(underPauses('queue')?.scope).toBe('queue');
    expect(underPauses('workspace:home')?.scope).toBe('workspace:home');
    expect(underPauses('template:summarize')?.scope).toBe('template:summarize');
    expect(underPauses('workspace:lab', 'template:other', 'server:gpu1')).toBeUndefined();
    expect(pauseOfServer('gpu1', bookOf([paused('server:gpu1')]).pauses)?.by).toBe('ada');
  });

  it('keeps its place and its age over a pause of its group', () => {
    const book = bookOf([
      submitted({ submittedAt: later(-5_000) }),
      submitted({ taskId: 't2', workspace: 'lab' }),
    ]);
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.rebuild(NOW_MS);
    const before = index.ready.find('t1', 'a');
    const tell = (event: SchedulerEvent): void => {
      applyToBook(book, { seq: book.seq + 1, event });
      index.rebuild(NOW_MS);
    };
    tell(paused('workspace:home'));
    expect([index.ready.find('t1', 'a'), index.ready.size]).toEqual([undefined, 1]);
    tell(resumed('workspace:home'));
    expect(index.ready.find('t1', 'a')).toEqual(before);
    expect([...(index.ready.groups(PLAIN)[0]?.steps ?? [])].map(({ taskId }) => taskId)).toEqual([
      't1',
      't2',
    ]);
  });

  it('that is submitted into a paused workspace is not ready', () => {
    const index = new TaskIndex(bookOf([paused('workspace:home'), task]), UNKNOWN_COSTS);
    index.rebuild(NOW_MS);
    expect(index.ready.size).toBe(0);
  });
});
