import { describe, expect, it } from '@jest/globals';
import { answerBody, inboxLines } from './inbox.js';

describe('the answer on the command line', () => {
  it('is exactly one, with who and why', async () => {
    expect(await answerBody({ approve: true, by: 'ada', comment: 'fine', text: 'better' })).toEqual({
      decision: 'approve',
      by: 'ada',
      comment: 'fine',
      text: 'better',
    });
    expect(await answerBody({ choice: 'later', by: 'ada' })).toEqual({ choice: 'later', by: 'ada' });
    expect(await answerBody({ data: '{"count": 2}', by: 'ada' })).toEqual({ data: { count: 2 }, by: 'ada' });
    expect(await answerBody({ reject: true })).toMatchObject({ decision: 'reject', by: expect.any(String) });
  });

  it('is refused where there is none, there are several, or it is no JSON', async () => {
    await expect(answerBody({})).rejects.toThrow('There is no answer; give exactly one of --approve');
    await expect(answerBody({ approve: true, choice: 'x' })).rejects.toThrow('There are 2 answers');
    await expect(answerBody({ data: '{' })).rejects.toThrow('--data is no JSON');
  });
});

describe('the inbox on the command line', () => {
  it('has a line for each question', () =>
    expect(
      inboxLines([
        {
          task_id: 't-1',
          step_id: 'ask',
          kind: 'approval',
          message: 'Send\n it?',
          assignees: [],
          choices: ['approve', 'reject'],
          since: 'then',
          until: null,
        },
      ])[1],
    ).toBe('t-1   ask   approve|reject  anybody  then          Send it?'));
});
