import { describe, expect, it } from '@jest/globals';
import type { TaskEvent } from '#libs/domain/task/events.js';
import type { WaitingFor } from '#libs/domain/task/waiting-events.js';
import { later, NOW, NOW_MS, stepSpec, submitted } from '#libs/testing/builders.js';
import { questionOf } from '#libs/testing/questions.js';
import type { AuditRecord } from './audit-record.js';
import { Findings } from './findings.js';
import { TaskAudit } from './task-audit.js';

const findingsOf = (...facts: readonly TaskEvent[]): readonly string[] => {
  const findings = new Findings();
  const audit = new TaskAudit('TASKS', findings);
  for (const [place, { type, ...data }] of facts.entries()) {
    const record = { seq: place + 1, type, data, time: NOW } as unknown as AuditRecord;
    audit.take(record);
  }
  return findings.kept.map(({ rule }) => rule);
};

const asks: WaitingFor = questionOf('approval', NOW_MS);
const begun = submitted({ steps: [stepSpec('a', { waits: 'approval' }), stepSpec('b', { needs: ['a'] })] });
const waiting = (more: object = {}): TaskEvent => ({
  type: 'step.waiting',
  taskId: 't1',
  stepId: 'a',
  waiting: asks,
  at: NOW,
  ...more,
});
const about = { taskId: 't1', stepId: 'a', waitingSeq: 2 } as const;
const answered = (more: object = {}, at = later(1_000)): TaskEvent => ({
  type: 'step.answered',
  ...about,
  answer: { kind: 'approval', choice: 'approve', text: null, by: 'ada', comment: null, ...more } as never,
  at,
});
const waited = (more: object = {}, at = later(1_000)): TaskEvent => ({
  type: 'step.waited',
  taskId: 't1',
  waited: { stepId: 'a', waitingSeq: 2, output: null, ...more } as never,
  at,
});
const reminded = (nth: number, at: string): TaskEvent => ({
  type: 'step.reminded',
  ...about,
  nth,
  assignees: [],
  message: '',
  at,
});
const escalated = (at: string): TaskEvent => ({ type: 'step.escalated', ...about, to: [], message: '', at });
const delays = { waiting: { kind: 'delay', until: later(5_000) } };
const delayed = submitted({ steps: [stepSpec('a', { waits: 'delay' }), stepSpec('b')] });

describe('a log in which steps wait as they should', () => {
  it.each([
    [
      'an answer',
      [begun, waiting(), reminded(1, later(3_000)), escalated(later(5_000)), answered(), waited()],
    ],
    ['a time that is over', [delayed, waiting(delays), waited({}, later(5_000))]],
    [
      'an answer by the time',
      [begun, waiting(), answered({ by: null, choice: 'later' }, later(12_000)), waited()],
    ],
  ])('has nothing against %s', (_, facts) => expect(findingsOf(...facts)).toEqual([]));
});

describe('what is wrong about steps that wait', () => {
  it.each([
    ['a step that does not wait', 'WAITED_WRONGLY', [submitted(), waiting()]],
    ['another kind of waiting', 'WAITED_WRONGLY', [begun, waiting(delays)]],
    ['a waiting that begins twice', 'WAITED_WRONGLY', [begun, waiting(), waiting()]],
    [
      'a delay that ends before its time',
      'WAITED_WRONGLY',
      [delayed, waiting(delays), waited({}, later(4_999))],
    ],
    ['an end that nobody has answered', 'WAITED_WRONGLY', [begun, waiting(), waited({}, later(20_000))]],
    ['an end of what never began', 'WAITED_WRONGLY', [begun, waited()]],
    ['a reminder before its time', 'WAITED_WRONGLY', [begun, waiting(), reminded(1, later(2_999))]],
    ['a reminder too many', 'WAITED_WRONGLY', [begun, waiting(), reminded(2, later(3_000))]],
    ['an escalation before its time', 'WAITED_WRONGLY', [begun, waiting(), escalated(later(4_999))]],
    [
      'a second escalation',
      'WAITED_WRONGLY',
      [begun, waiting(), escalated(later(5_000)), escalated(later(9_000))],
    ],
    ['a second answer', 'ANSWERED_WRONGLY', [begun, waiting(), answered(), answered()]],
    ['an answer to what was not asked', 'ANSWERED_WRONGLY', [begun, answered()]],
    ['a choice that there is not', 'ANSWERED_WRONGLY', [begun, waiting(), answered({ choice: 'never' })]],
    [
      'a time that answers too early',
      'ANSWERED_WRONGLY',
      [begun, waiting(), answered({ by: null, choice: 'later' })],
    ],
    [
      'a task that goes on without a step that it needs',
      'ABANDONED_WRONGLY',
      [
        begun,
        waiting(),
        answered({ choice: 'reject' }),
        waited({ output: undefined, failure: { code: 'STEP_REJECTED', message: '' } }),
      ],
    ],
  ] as const)('is found: %s', (_, rule, facts) => expect(findingsOf(...facts)).toEqual([rule]));
});
