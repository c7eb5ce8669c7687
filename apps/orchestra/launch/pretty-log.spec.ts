import { describe, expect, it } from '@jest/globals';
import { prettyLog } from './pretty-log.js';

describe('a log line for people', () => {
  it('has time, service, level and message, then the other fields', () => {
    const line = JSON.stringify({
      level: 40,
      time: '2026-01-31T12:00:00.123Z',
      service: 'scheduler',
      instance: 'scheduler-7',
      taskId: 't-1',
      open: 3,
      evict: [],
      msg: 'leading',
    });
    expect(prettyLog('scheduler', line)).toBe(
      '12:00:00.123  scheduler      WARN   leading  taskId=t-1  open=3  evict=[]',
    );
  });

  it.each(['    at startService (main.js:1:1)', '{"level": 30', '7', 'null'])(
    'is %j where that is no record',
    (line) => {
      expect(prettyLog('results', line)).toBe(`results        ${line}`);
    },
  );
});
