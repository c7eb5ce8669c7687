import { describe, expect, it } from '@jest/globals';
import type { CommandAnswer } from '#libs/contracts/commands.js';
import { Answers } from './answers.js';

const answer = (commandId: string): CommandAnswer => ({ commandId, ok: true, seq: 1 });

const sentBy = async (work: (answers: Answers) => void): Promise<[string, string[]][]> => {
  const sent: [string, string[]][] = [];
  work(new Answers((to, together) => sent.push([to, together.map(({ commandId }) => commandId)])));
  await new Promise((resolve) => setImmediate(resolve));
  return sent;
};

describe('answers of the scheduler', () => {
  it('that become due together go to each gateway in one message, in order', async () => {
    const acknowledged = Promise.resolve();
    const sent = await sentBy((answers) => {
      for (const [to, id] of ['a1', 'b1', 'a2'].map((id) => [`rpl.${id[0]}`, id] as const))
        void acknowledged.then(() => answers.add(to, answer(id)));
    });
    expect(sent).toEqual([
      ['rpl.a', ['a1', 'a2']],
      ['rpl.b', ['b1']],
    ]);
  });

  it('that name many tasks go alone: two of them can be more than a message holds', async () => {
    const tasks = { cancelled: ['t1'], stopping: [], more: false };
    const sent = await sentBy((answers) => {
      answers.add('rpl.a', { commandId: 'a1', ok: true, seq: 1, tasks });
      answers.add('rpl.a', { commandId: 'a2', ok: true, seq: 1, tasks });
    });
    expect(sent).toEqual([
      ['rpl.a', ['a1']],
      ['rpl.a', ['a2']],
    ]);
  });

  it('do not wait for others', async () =>
    expect(await sentBy((answers) => answers.add('rpl.a', answer('a1')))).toEqual([['rpl.a', ['a1']]]));

  it('are cut into messages of a hundred, none lost', async () => {
    const ids = Array.from({ length: 250 }, (_, n) => `c${n}`);
    const sent = await sentBy((answers) => ids.forEach((id) => answers.add('rpl.a', answer(id))));
    expect(sent.map(([, together]) => together.length)).toEqual([100, 100, 50]);
    expect(sent.flatMap(([, together]) => together)).toEqual(ids);
  });
});
