import { describe, expect, it } from '@jest/globals';
import { PLUGIN_LIMITS, WORKER_LOST_MS } from '#libs/contracts/plugin-wire.js';
import { PluginProblems } from './plugin-problems.js';
import { WorkerDirectory } from './worker-directory.js';

const hello = { worker: 'w1', manifest: { name: 'acme.a', version: '1.0.0' } };

describe('a worker', () => {
  it('that says goodbye has left, until it is heard again or forgotten', () => {
    let nowMs = 0;
    const directory = new WorkerDirectory(() => nowMs);
    directory.hear('acme.a', hello);
    expect(directory.hasLeft('acme.a', 'w1')).toBe(false);
    directory.hear('acme.a', { worker: 'w1', bye: true });
    expect([directory.find('acme.a', 'w1'), directory.hasLeft('acme.a', 'w1')]).toEqual([undefined, true]);
    directory.hear('acme.a', hello);
    expect(directory.hasLeft('acme.a', 'w1')).toBe(false);
    directory.hear('acme.a', { worker: 'w1', bye: true });
    nowMs += WORKER_LOST_MS;
    directory.types();
    expect(directory.hasLeft('acme.a', 'w1')).toBe(false);
  });

  it('that was never there, or is not heard any more, has not left', () => {
    let nowMs = 0;
    const directory = new WorkerDirectory(() => nowMs);
    directory.hear('acme.a', { worker: 'w1', bye: true });
    expect(directory.hasLeft('acme.a', 'w1')).toBe(false);
    directory.hear('acme.a', hello);
    nowMs += WORKER_LOST_MS;
    expect([directory.find('acme.a', 'w1'), directory.hasLeft('acme.a', 'w1')]).toEqual([undefined, false]);
  });
});

describe('problems', () => {
  it('are told as new once, listed by whom they are, and gone with them', () => {
    let nowMs = 0;
    const problems = new PluginProblems(() => nowMs);
    expect(problems.say('executor-2', ['a', 'b'])).toEqual(['a', 'b']);
    expect(problems.say('executor-2', ['b', 'c'])).toEqual(['c']);
    problems.say('executor-1', ['a']);
    expect(problems.list()).toEqual([
      { by: 'executor-1', problem: 'a' },
      { by: 'executor-2', problem: 'b' },
      { by: 'executor-2', problem: 'c' },
    ]);
    problems.say('executor-1', []);
    expect(problems.list()).toHaveLength(2);
    nowMs += WORKER_LOST_MS;
    expect(problems.list()).toEqual([]);
  });

  it('of more than are listened to are not kept', () => {
    const problems = new PluginProblems(() => 0);
    for (let n = 0; n <= PLUGIN_LIMITS.workers; n += 1) problems.say(`w${n}`, ['a']);
    expect(problems.list()).toHaveLength(PLUGIN_LIMITS.workers);
  });
});
