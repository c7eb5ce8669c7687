import { describe, expect, it } from '@jest/globals';
import type { MoveTo } from '#libs/domain/task/move-events.js';
import type { StepExplanation, Wait } from '#libs/domain/policy/explain.js';
import { explanationView } from './explanation-view.js';

const AT_MS = Date.parse('2026-01-02T03:04:05.678Z');
const MODEL = 'llama3:8b';
const GIB = 1024 ** 3;
const FIRST = { ahead: 0, aheadOfSame: 0 };
const BEHIND = { ahead: 4, aheadOfSame: 1 };

const PAUSE = { reason: 'repair', by: 'ada', since: '2026-01-02T03:04:00.000Z' };

const viewOf = (...steps: readonly StepExplanation[]) =>
  explanationView('t1', {
    kind: 'open',
    seq: 7,
    atMs: AT_MS,
    priority: 5,
    moved: null,
    steps,
    predictions: null,
  });

describe('where somebody has put a task', () => {
  const place = { priority: 5, fromMs: 0, seq: 1, nth: [1] };
  const said = { reason: 'a demo', by: 'ada', at: '2026-01-02T03:04:00.000Z' };

  it.each<readonly [MoveTo, string, object]>([
    [{ kind: 'front' }, 'moved to the front by ada', { to: 'front', task: null }],
    [{ kind: 'before', taskId: 't9' }, 'moved before t9 by ada', { to: 'before', task: 't9' }],
  ])('is told: %j', (to, text, data) => {
    const wait = { kind: 'lease' } as const;
    const steps = [{ stepId: 'a', model: null, state: 'waiting', wait } as const];
    const moved = { to, place, ...said };
    const view = explanationView('t1', {
      kind: 'open',
      seq: 7,
      atMs: AT_MS,
      priority: 5,
      moved,
      steps,
      predictions: null,
    });
    const sentence = `It was ${text} at 2026-01-02T03:04:00Z (a demo).`;
    expect(view.moved).toEqual({ ...data, ...said, text: sentence });
    expect(view.summary).toBe(`Step 'a' is about to start: a slot was found for it. ${sentence}`);
  });
});

const textOf = (wait: Wait, model: string | null = MODEL): string => {
  const [step] = viewOf({ stepId: 'a', model, state: 'waiting', wait }).steps;
  return step?.text ?? '';
};

const place = { serverId: 'attic', slots: 2, busy: 2, makesRoomFor: null, holders: [] };
const holders = ['t7', 't8', 't9', 't10'].map((taskId) => ({ taskId, stepId: 'a' }));
const onAttic = (verdict: Extract<Wait, { kind: 'model' }>['servers'][number]['verdict']): Wait => ({
  kind: 'model',
  position: FIRST,
  servers: [{ serverId: 'attic', verdict }],
});

const ASKS = {
  kind: 'answer',
  asks: 'approval',
  message: 'Is it right?',
  assignees: ['ada', 'grace'],
  sinceMs: AT_MS,
  untilMs: null,
  reminders: 0,
  escalated: false,
} as const;

describe('an explanation', () => {
  it.each<readonly [wait: Wait, text: string]>([
    [{ kind: 'ending', how: 'failed' }, 'does not start any more: the task has failed'],
    [
      { kind: 'paused', pause: { ...PAUSE, scope: 'queue' } },
      'is held back: the queue is paused by ada since 2026-01-02T03:04:00Z (repair)',
    ],
    [
      { kind: 'paused', pause: { ...PAUSE, scope: 'workspace:lab' } },
      'is held back: workspace lab is paused by ada since 2026-01-02T03:04:00Z (repair)',
    ],
    [{ kind: 'run-at', atMs: AT_MS }, 'is not to run before 2026-01-02T03:04:05Z'],
    [
      { kind: 'time', sinceMs: AT_MS, untilMs: AT_MS + 60_000 },
      'waits until 2026-01-02T03:05:05Z, since 03:04:05 UTC',
    ],
    [{ kind: 'begin', of: 'approval' }, 'is about to ask'],
    [{ ...ASKS, assignees: [] }, 'waits for somebody to approve, since 2026-01-02T03:04:05Z'],
    [
      { ...ASKS, asks: 'human_input', untilMs: AT_MS + 60_000, reminders: 2, escalated: true },
      'waits for ada, grace to fill in its form, since 2026-01-02T03:04:05Z, until 2026-01-02T03:05:05Z; asked again 2 times; others were asked too',
    ],
    [{ kind: 'tasks', taskIds: ['t7', 't8'], names: [] }, 'waits for tasks t7, t8'],
    [{ kind: 'tasks', taskIds: ['t7'], names: ['draft'] }, "waits for task 'draft' (t7)"],
    [
      { kind: 'tasks', taskIds: Array.from({ length: 12 }, (_, n) => `t${n}`), names: [] },
      'waits for tasks t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more',
    ],
    [{ kind: 'steps', stepIds: ['b', 'c'] }, "waits for 'b', 'c'"],
    [
      { kind: 'steps', stepIds: ['b'], conditional: true },
      "waits for 'b'; then its condition says whether it runs",
    ],
    [{ kind: 'retry', attempt: 2, atMs: AT_MS }, 'is tried again (attempt 2) at 03:04:05 UTC'],
    [{ kind: 'lease' }, 'is about to start: a slot was found for it'],
    [
      { kind: 'slot', position: BEHIND, places: [{ ...place, holders }] },
      'waits for a slot of llama3:8b: on attic 2 of 2 slots are taken (by t7, t8, t9 and others); 4 steps go first, 1 of them for the same model',
    ],
    [
      { kind: 'slot', position: FIRST, places: [{ ...place, busy: 1, makesRoomFor: 'phi4:14b' }] },
      'waits for a slot of llama3:8b: on attic nothing new starts, because it makes room for phi4:14b; it is first in line',
    ],
    [
      { kind: 'slot', position: FIRST, places: [{ ...place, busy: 1 }] },
      'is about to be placed on attic, where 1 of 2 slots is free; it is first in line',
    ],
    [
      { kind: 'loading', position: FIRST, serverId: 'attic', since: '2026-01-02T03:04:00.000Z' },
      'waits for llama3:8b, which is being loaded on attic since 03:04:00 UTC; it is first in line',
    ],
    [
      { kind: 'model', position: FIRST, servers: [] },
      'needs llama3:8b, and no inference server is configured; it is first in line',
    ],
  ])('says %j', (wait, text) => expect(textOf(wait)).toBe(text));

  it.each<readonly [verdict: Parameters<typeof onAttic>[0], text: string]>([
    [{ may: 'asked' }, 'was asked to load it'],
    [{ may: true, evict: [], drain: null }, 'has room and is next'],
    [{ may: true, evict: ['r1'], drain: null }, 'is next, in place of 1 that nobody waits for'],
    [{ may: true, evict: ['r1'], drain: 'r1' }, 'makes room once what runs there has ended'],
    [{ may: false, obstacle: { kind: 'not-up', state: 'down' } }, 'is down'],
    [{ may: false, obstacle: { kind: 'not-up', state: 'paused' } }, 'is paused'],
    [
      { may: false, obstacle: { kind: 'other-load', model: 'phi4:14b', state: 'unloading' } },
      'is unloading phi4:14b',
    ],
    [
      {
        may: false,
        obstacle: {
          kind: 'load-failed',
          failure: { code: 'MODEL_NOT_FOUND', message: 'no such model' },
          againAtMs: null,
        },
      },
      'could not load it (MODEL_NOT_FOUND: no such model) and is not asked again',
    ],
    [
      { may: false, obstacle: { kind: 'too-large', needBytes: 10 * GIB, vramBytes: 8 * GIB } },
      'is too small: it needs 10.0 GiB of 8.0 GiB',
    ],
    [
      { may: false, obstacle: { kind: 'in-use', model: 'phi4:14b', turnUntilMs: AT_MS } },
      'keeps phi4:14b, whose work goes first or whose turn lasts until 03:04:05 UTC',
    ],
    [
      { may: false, obstacle: { kind: 'gathering', model: 'phi4:14b', untilMs: AT_MS } },
      'keeps phi4:14b, which has no work now but may have again soon, until 03:04:05 UTC or until more waits for this one',
    ],
    [
      { may: false, obstacle: { kind: 'foreign', models: [{ model: 'mine:70b', bytes: 1 }] } },
      'has no room beside mine:70b, which others have loaded',
    ],
  ])('says of a server %j', (verdict, text) =>
    expect(textOf(onAttic(verdict))).toBe(
      `waits for llama3:8b, which no server holds: attic ${text}; it is first in line`,
    ),
  );

  it('sums up what runs, or else the first step that does not only wait for another of the task', () => {
    const later = {
      stepId: 'b',
      model: null,
      state: 'waiting',
      wait: { kind: 'steps', stepIds: ['a'] },
    } as const;
    const running = {
      stepId: 'a',
      model: null,
      state: 'running',
      attempt: 2,
      serverId: 'cpu',
      since: '2026-01-02T03:04:00.000Z',
    } as const;
    expect(viewOf(later, running).summary).toBe("Step 'a' runs on cpu since 03:04:00 UTC (attempt 2).");
    expect(
      viewOf(later, { stepId: 'a', model: null, state: 'waiting', wait: { kind: 'lease' } }).summary,
    ).toBe("Step 'a' is about to start: a slot was found for it.");
  });

  it('says of a step that was left out, or has failed and may, that the task goes on', () => {
    const failure = { code: 'MODEL_ERROR', message: 'the server said 500' } as const;
    const { steps } = viewOf(
      { stepId: 'a', model: null, state: 'skipped' },
      { stepId: 'b', model: null, state: 'failed', failure, ends: false },
    );
    expect(steps.map(({ state, text }) => [state, text])).toEqual([
      ['skipped', 'was left out: its condition is false'],
      ['failed', 'has failed, and the task goes on without it (MODEL_ERROR: the server said 500)'],
    ]);
  });

  it('says of a task that has come to its end what brought it there, and what runs then', () => {
    const failure = { code: 'MODEL_ERROR', message: 'the server said 500' } as const;
    const { steps } = viewOf(
      { stepId: 'a', model: null, state: 'failed', failure, ends: true },
      { stepId: 'b', model: null, state: 'stopped', begun: false },
      { stepId: 'c', model: null, state: 'stopped', begun: true },
      { stepId: 'd', model: null, state: 'waiting', wait: { kind: 'end', stepIds: ['a', 'b'] } },
    );
    expect(steps.map(({ text }) => text)).toEqual([
      'has failed, and the task has come to its end by it (MODEL_ERROR: the server said 500)',
      'did not begin before the task came to its end',
      'was stopped',
      "runs at the end of the task, when 'a', 'b' have ended",
    ]);
  });

  it('says by when a step starts at the latest, where it was promised', () => {
    const wait: Wait = { kind: 'slot', position: FIRST, places: [place] };
    const bound = { startByMs: AT_MS, mayBeOvertakenMs: 90_000 };
    const [step] = viewOf({ stepId: 'a', model: MODEL, state: 'waiting', wait, bound }).steps;
    expect(step?.text).toMatch(/; it is first in line; it starts by 2026-01-02T03:04:05Z at the latest$/);
    expect(step?.bound).toEqual({ start_by: '2026-01-02T03:04:05.678Z', may_be_overtaken_ms: 90_000 });
  });

  it.each([
    ['probably', 'it starts probably at 2026-01-02T03:05:05Z'],
    ['not-before', 'it starts probably not before 2026-01-02T03:05:05Z'],
  ] as const)('says when a step starts: %s', (kind, says) => {
    const wait: Wait = { kind: 'steps', stepIds: ['b'] };
    const start = { kind, atMs: AT_MS + 60_000 };
    const [step] = viewOf({ stepId: 'a', model: null, state: 'waiting', wait, start }).steps;
    expect(step?.text).toBe(`waits for 'b'; ${says}`);
    expect(step?.start).toEqual({ kind, at: '2026-01-02T03:05:05.678Z' });
  });

  it.each([
    [400, 9_960, '0.4 s', '10.0 s'],
    [20_000, 100_000, '20 s', '1 min 40 s'],
    [59_600, 7_500_000, '1 min 0 s', '2 h 5 min'],
  ])('says how far off predictions were: %i and %i ms', (medianMs, nineOfTenMs, median, nineOfTen) => {
    const predictions = { count: 41, sinceMs: AT_MS, medianMs, nineOfTenMs };
    const view = explanationView('t1', {
      kind: 'open',
      seq: 7,
      atMs: AT_MS,
      priority: 5,
      moved: null,
      steps: [],
      predictions,
    });
    expect(view.predictions?.['text']).toBe(
      `Predictions since 2026-01-02T03:04:05Z were off by ${median} in the middle, 9 of 10 by no more than ${nineOfTen} (n = 41).`,
    );
  });

  it('says of a moment of the past that the task was not there, or was over, and since when', () => {
    const common = { seq: 7, atMs: AT_MS };
    expect(
      explanationView('t1', { kind: 'not-submitted', ...common, submittedAtMs: AT_MS + 1 }),
    ).toMatchObject({
      status: 'not_submitted',
      summary: 'The task was not there yet: it was submitted at 2026-01-02T03:04:05.679Z.',
    });
    const over = { kind: 'over', ...common, status: 'cancelled' } as const;
    expect(explanationView('t1', over).summary).toBe('The task is over: it has been cancelled.');
    expect(explanationView('t1', { ...over, endedAtMs: AT_MS - 1 }).summary).toBe(
      'The task is over: it has been cancelled, at 2026-01-02T03:04:05.677Z.',
    );
  });

  it('has the same as data, named as the API names things, with times as text', () => {
    const obstacle = { kind: 'in-use', model: 'phi4:14b', turnUntilMs: AT_MS } as const;
    const view = viewOf({
      stepId: 'a',
      model: MODEL,
      state: 'waiting',
      wait: onAttic({ may: false, obstacle }),
    });
    expect(view).toMatchObject({ id: 't1', as_of: '2026-01-02T03:04:05.678Z', as_of_seq: 7 });
    expect(view.steps[0]?.waits_for).toEqual({
      kind: 'model',
      position: { ahead: 0, ahead_of_same: 0 },
      servers: [
        {
          server_id: 'attic',
          verdict: {
            may: false,
            obstacle: { kind: 'in-use', model: 'phi4:14b', turn_until: '2026-01-02T03:04:05.678Z' },
          },
        },
      ],
    });
  });
});
