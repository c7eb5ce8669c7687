import type { ToolCall } from './answer.js';
import { nowTimestamp } from './go-time.js';

export type Kind = 'generate' | 'chat';

/**
 * The shape of an answer's parts: `generate` says `response`, `chat` says `message`. Fields stand in the order of the
 * real server. It also collects what was said, for the answer in one piece.
 */
export class Voice {
  #text = '';
  #thinking = '';
  #call: ToolCall | undefined;

  constructor(
    private readonly kind: Kind,
    private readonly model: string,
  ) {}

  say(text: string): unknown {
    this.#text += text;
    return this.#part(text, {}, { done: false });
  }

  think(thinking: string): unknown {
    this.#thinking += thinking;
    return this.#part('', { thinking }, { done: false });
  }

  call(call: ToolCall): unknown {
    this.#call = call;
    return this.#part('', { tool_calls: [call] }, { done: false });
  }

  /** The answer to a request without words. */
  empty(doneReason: 'load' | 'unload'): unknown {
    return this.#part('', {}, { done: true, done_reason: doneReason });
  }

  last(streamed: boolean, doneReason: string, figures: object, contextTokens: number | undefined): unknown {
    const context =
      this.kind === 'chat' || contextTokens === undefined
        ? {}
        : { context: Array.from({ length: contextTokens }, (_, i) => i + 1) };
    const end = { done: true, done_reason: doneReason, ...context, ...figures };
    if (streamed) return this.#part('', {}, end);
    const whole = {
      ...(this.#thinking === '' ? {} : { thinking: this.#thinking }),
      ...(this.#call === undefined ? {} : { tool_calls: [this.#call] }),
    };
    return this.#part(this.#text, whole, end);
  }

  #part(text: string, more: object, end: object): unknown {
    const head = { model: this.model, created_at: nowTimestamp() };
    return this.kind === 'generate'
      ? { ...head, response: text, ...more, ...end }
      : { ...head, message: { role: 'assistant', content: text, ...more }, ...end };
  }
}
