import { describe, expect, it } from '@jest/globals';
import type { RunHooks } from '../model-runner.js';
import { AnswerBuilder } from './ollama-answer.js';

const build = (hooks: RunHooks = {}, maxBytes = 1_000) =>
  new AnswerBuilder('POST /x', 'm:1b', maxBytes, hooks);

describe('an answer in parts', () => {
  it('grows by text, thinking and tool calls, and turns nanoseconds into milliseconds', () => {
    const tokens: unknown[] = [];
    const builder = build({ onToken: (token) => void tokens.push(token) });
    const call = { function: { name: 'f', arguments: {} } };
    builder.add({ message: { role: 'assistant', content: '', thinking: 'hm' }, done: false });
    builder.add({ message: { role: 'assistant', content: 'Yes', tool_calls: [call] }, done: false });
    builder.add({
      message: { content: '' },
      done: true,
      done_reason: 'stop',
      total_duration: 3_500_000,
      prompt_eval_count: 4,
      prompt_eval_duration: 1_000_000,
      eval_count: 2,
      eval_duration: 2_000_000,
    });
    expect(tokens).toEqual([{ text: '', thinking: 'hm' }, { text: 'Yes' }]);
    expect(builder.finish()).toEqual({
      text: 'Yes',
      thinking: 'hm',
      toolCalls: [call],
      doneReason: 'stop',
      usage: {
        model: 'm:1b',
        loadMs: 0,
        promptMs: 1,
        generationMs: 2,
        totalMs: 3.5,
        tokensIn: 4,
        tokensOut: 2,
      },
    });
  });

  it('is broken without its last part', () => {
    const builder = build();
    builder.add({ response: 'half an answ', done: false });
    expect(() => builder.finish()).toThrow("ended without 'done' after 12 bytes");
  });

  it('is failed by an error line, whatever came before', () => {
    const builder = build();
    builder.add({ response: 'a', done: false });
    expect(() => builder.add({ error: 'out of memory' })).toThrow('the server broke off — out of memory');
  });

  it('has a limit in bytes, not characters', () => {
    const builder = build({}, 5);
    builder.add({ response: '数' });
    expect(() => builder.add({ response: '値' })).toThrow('more than 5 bytes');
  });

  it('calls every other reason to end other', () => {
    const builder = build();
    builder.add({ done: true, done_reason: 'load' });
    expect(builder.finish().doneReason).toBe('other');
  });
});
