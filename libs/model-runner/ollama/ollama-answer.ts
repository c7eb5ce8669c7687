import { ModelRunnerError } from '../model-runner-error.js';
import type { ModelAnswer, RunHooks } from '../model-runner.js';
import { errorLine } from './ollama-errors.js';
import { isWire, number, text, type Wire } from './ollama-wire.js';

const NANOSECONDS_PER_MS = 1e6;

/**
 * Puts an answer together from its parts, in order: text, thinking and tool calls grow with every part, the last one
 * (`done: true`) brings the figures. Without that last part the answer is broken, however much of it has come.
 */
export class AnswerBuilder {
  #text: string[] = [];
  #thinking: string[] = [];
  readonly #toolCalls: Wire[] = [];
  #bytes = 0;
  #last: Wire | undefined;

  constructor(
    private readonly what: string,
    private readonly model: string,
    private readonly maxOutputBytes: number,
    private readonly hooks: RunHooks,
  ) {}

  add(part: Wire): void {
    const failed = text(part, 'error');
    if (failed !== undefined) throw errorLine(this.what, failed);
    const message = isWire(part['message']) ? part['message'] : part;
    const said = text(message, 'content') ?? text(part, 'response') ?? '';
    const thought = text(message, 'thinking') ?? '';
    const calls: unknown = message['tool_calls'];
    if (Array.isArray(calls)) this.#toolCalls.push(...calls.filter(isWire));
    this.#grow(said, thought);
    if (said !== '' || thought !== '') {
      this.hooks.onToken?.({ text: said, ...(thought === '' ? {} : { thinking: thought }) });
    }
    if (part['done'] === true) this.#last = part;
  }

  finish(): ModelAnswer {
    if (!this.#last) {
      const message = `${this.what}: the answer ended without 'done' after ${this.#bytes} bytes of text`;
      throw new ModelRunnerError('MODEL_STREAM_BROKEN', message, { receivedBytes: this.#bytes });
    }
    const thinking = this.#thinking.join('');
    return {
      text: this.#text.join(''),
      ...(thinking === '' ? {} : { thinking }),
      ...(this.#toolCalls.length === 0 ? {} : { toolCalls: this.#toolCalls }),
      doneReason: doneReason(text(this.#last, 'done_reason')),
      usage: usage(this.model, this.#last),
    };
  }

  #grow(said: string, thought: string): void {
    this.#text.push(said);
    this.#thinking.push(thought);
    this.#bytes += Buffer.byteLength(said) + Buffer.byteLength(thought);
    if (this.#bytes > this.maxOutputBytes) {
      throw new ModelRunnerError(
        'OUTPUT_TOO_LARGE',
        `${this.what}: the answer has more than ${this.maxOutputBytes} bytes of text`,
        { maxOutputBytes: this.maxOutputBytes },
      );
    }
  }
}

/** The one object that answers an `embed`. */
export const embedAnswer = (what: string, model: string, answer: Wire, inputs: number): ModelAnswer => {
  const embeddings: unknown = answer['embeddings'];
  if (!Array.isArray(embeddings) || embeddings.length !== inputs) {
    const got = Array.isArray(embeddings) ? `${embeddings.length} vectors` : 'no vectors';
    throw new ModelRunnerError(
      'MODEL_STREAM_BROKEN',
      `${what}: ${got} — expected one for each of ${inputs} inputs`,
    );
  }
  return {
    text: '',
    embeddings: embeddings as readonly (readonly number[])[],
    doneReason: 'stop',
    usage: usage(model, answer),
  };
};

const doneReason = (reason: string | undefined): ModelAnswer['doneReason'] =>
  reason === 'stop' || reason === 'length' ? reason : 'other';

/** The server leaves out figures that are 0. */
const usage = (model: string, from: Wire): ModelAnswer['usage'] => ({
  model,
  loadMs: milliseconds(from, 'load_duration'),
  promptMs: milliseconds(from, 'prompt_eval_duration'),
  generationMs: milliseconds(from, 'eval_duration'),
  totalMs: milliseconds(from, 'total_duration'),
  tokensIn: number(from, 'prompt_eval_count') ?? 0,
  tokensOut: number(from, 'eval_count') ?? 0,
});

const milliseconds = (from: Wire, field: string): number => (number(from, field) ?? 0) / NANOSECONDS_PER_MS;
