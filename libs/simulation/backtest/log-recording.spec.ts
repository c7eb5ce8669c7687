import { describe, expect, it } from '@jest/globals';
import { NOW_MS, submitted } from '#libs/testing/builders.js';
import { LogStory, modelStep } from '#libs/testing/log-story.js';
import { backtest } from './backtest.js';
import { BACKTEST_TASKS_MAX, LogRecording } from './log-recording.js';

const steps = [modelStep('m')];

/** A task that runs from the start and is asked to stop at 0.7 s. */
const ranUntilAsked = (): LogStory => {
  const story = new LogStory()
    .server('gpu1')
    .loads('m', 0)
    .submits('t1', { steps })
    .starts('t1', { model: 'm' });
  story.at(700).task({ type: 'task.cancel-requested', taskId: 't1', reason: 'no', at: story.now });
  return story;
};

describe('a recording of a log', () => {
  it('holds what came from outside in the window, and what was open at its start', () => {
    const story = new LogStory()
      .server('gpu1')
      .submits('before', { steps })
      .at(1_000)
      .submits('inside', { steps })
      .task({ type: 'task.priority-changed', taskId: 'inside', priority: 9, at: '' })
      .at(5_000)
      .submits('behind', { steps });
    const { tasks, start, inputs, toMs } = story.recording(500, 4_000);
    expect([tasks, toMs]).toEqual([2, NOW_MS + 4_000]);
    expect(start.tasks.map(({ taskId }) => taskId)).toEqual(['before']);
    expect(inputs.map(({ event }) => event.type)).toEqual(['task.submitted', 'task.priority-changed']);
  });

  it('ends with the log', () => {
    const story = new LogStory().submits('t1').at(2_000).submits('t2');
    expect(story.recording(0, 9_000)).toMatchObject({ toMs: NOW_MS + 2_001, untilMs: NOW_MS + 2_001 });
  });

  it('asks a task to stop as late as it was, and knows how long that took', () => {
    const story = ranUntilAsked();
    const { leaseId } = { leaseId: 'lease-of-t1-a-1' };
    const stopped = [{ stepId: 'a', attempt: 1, leaseId, how: 'confirmed' }] as const;
    story.at(950).task({ type: 'task.cancelled', taskId: 't1', reason: 'no', stopped, at: story.now });
    const { inputs, stopMs } = story.recording();
    expect(
      inputs.filter(({ event }) => event.type.startsWith('task.c')).map(({ atMs }) => atMs - NOW_MS),
    ).toEqual([700]);
    expect(stopMs.get('t1')).toBe(250);
  });

  it('lets a task that ended before it could be stopped end first again', () => {
    const story = ranUntilAsked();
    story.at(950).completes('t1');
    const recording = story.recording();
    expect(recording.stopMs.get('t1')).toBe(251);
    expect(backtest(recording, {}).replayed.tasks).toMatchObject({ completed: 1, cancelled: 0 });
  });

  it('leaves to the replay what it comes to by itself', () => {
    const failure = { code: 'QUEUE_TTL_EXPIRED', message: 'late' } as const;
    const story = new LogStory().submits('t1').submits('t2');
    story.task({ type: 'task.failed', taskId: 't1', failure, stopped: [], at: story.now });
    story.task({
      type: 'task.failed',
      taskId: 't2',
      failure: { ...failure, code: 'TEMPLATE_RENDER_FAILED' },
      stopped: [],
      at: story.now,
    });
    const failed = story
      .recording()
      .inputs.flatMap(({ event }) => (event.type === 'task.failed' ? [event.taskId] : []));
    expect(failed).toEqual(['t2']);
  });

  it('of a window that is empty, too long, or without tasks is refused', () => {
    const at = (fromMs: number, toMs: number) => () => new LogRecording(fromMs, toMs);
    expect(at(NOW_MS, NOW_MS)).toThrow(/window is empty/);
    expect(at(NOW_MS, NOW_MS + 169 * 3_600_000)).toThrow(/169 hours long; at most 168 \(7 days\)/);
    expect(() => new LogStory().server('gpu1').recording()).toThrow(/there is nothing to replay/);
  });

  it('of a log that does not begin with its start, or has a hole, is refused', () => {
    const { tasks } = new LogStory().submits('t1').submits('t2');
    const [first, second, third] = tasks;
    const recording = new LogRecording(NOW_MS, NOW_MS + 1);
    if (!first || !second || !third) throw new Error('three facts were told');
    expect(() => recording.task(second)).toThrow(/TASKS begins at event 2; .* event 1/);
    recording.task(first);
    expect(() => recording.task(third)).toThrow(/event 3 follows on 1; `orchestra verify`/);
  });

  it('of a log of a newer version is refused by the type that is not known', () => {
    const recording = new LogRecording(NOW_MS, NOW_MS + 1);
    const event = { type: 'task.dreamt', at: '' } as unknown as ReturnType<typeof submitted>;
    expect(() => recording.task({ seq: 1, atMs: NOW_MS, event })).toThrow(
      /'task.dreamt', which is not known/,
    );
  });

  it('of more tasks than are accepted is refused with the number', () => {
    const recording = new LogRecording(NOW_MS, NOW_MS + 10);
    const submitAll = (): void => {
      for (let seq = 1; seq <= BACKTEST_TASKS_MAX + 1; seq += 1)
        recording.task({ seq, atMs: NOW_MS, event: submitted({ taskId: `t${seq}` }) });
    };
    expect(submitAll).toThrow(new RegExp(`More than ${BACKTEST_TASKS_MAX} tasks .* shorter window`));
  });
});
