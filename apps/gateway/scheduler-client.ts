import type { NatsConnection } from '@nats-io/transport-node';
import type { Command, CommandAnswer, CommandAnswers } from '#libs/contracts/commands.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { Inbox } from '#libs/event-log/inbox.js';
import { ApiError } from './http/problem.js';
import type { ToldPosition } from './told-position.js';

/** How long a client is kept for the decision; after it the command is stored and will be decided, which is a 202. */
const ANSWER_TIMEOUT_MS = 1_000;

/** Clients kept at once. Beyond it the scheduler is far behind, and a client does better to come back. */
const WAITING_MAX = 5_000;

/**
 * Sends commands and waits for their decisions. A command is safe once the broker has it; the decision usually follows within
 * milliseconds, on a subject of this gateway's own.
 */
export class SchedulerClient {
  readonly #waiting = new Map<string, (answer: CommandAnswer) => void>();
  readonly #answerTo: string;
  #onLate: (answer: CommandAnswer) => void = () => undefined;

  constructor(
    connection: NatsConnection,
    private readonly commands: Inbox,
    gatewayId: string,
    private readonly position: ToldPosition,
  ) {
    this.#answerTo = SUBJECTS.answers(gatewayId);
    connection.subscribe(this.#answerTo, {
      callback: (error, message) => {
        if (!error) for (const answer of message.json<CommandAnswers>()) this.#answered(answer);
      },
    });
  }

  /** Commands whose clients wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Called with decisions that came after their client was sent away with a 202. */
  onLateAnswer(listen: (answer: CommandAnswer) => void): void {
    this.#onLate = listen;
  }

  /** The decision, or null when it did not come in time. Rejects with `LogUnavailableError` when the command was not stored. */
  async send(
    command: Command,
    traceparent?: string,
    withinMs: number = ANSWER_TIMEOUT_MS,
  ): Promise<CommandAnswer | null> {
    const { commandId } = command;
    if (this.#waiting.size >= WAITING_MAX) {
      const message = `${WAITING_MAX} requests wait for the scheduler already; at most that many are accepted. Try again.`;
      throw new ApiError('RATE_LIMITED', message, [], undefined, { 'retry-after': '1' });
    }
    const { promise: answer, resolve } = Promise.withResolvers<CommandAnswer | null>();
    const timer = setTimeout(() => resolve(null), withinMs);
    this.#waiting.set(commandId, resolve);
    try {
      const stored = this.post(command, traceparent);
      // An answer proves that the command was stored; otherwise its storage is awaited before saying so.
      const first = await Promise.race([answer, stored.then(() => 'stored' as const)]);
      if (first !== 'stored' && first !== null) {
        stored.catch(() => undefined);
        return first;
      }
      await stored;
      return await answer;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(commandId);
    }
  }

  /** Stores a command without waiting for its decision. */
  async post(command: Command, traceparent?: string): Promise<void> {
    try {
      await this.commands.put({
        id: command.commandId,
        subject: SUBJECTS.command(command.kind, command.commandId),
        data: command,
        answerTo: this.#answerTo,
        ...(traceparent === undefined ? {} : { traceparent }),
      });
    } catch (error) {
      // Some numbers are longer in the command than in the request, so a body in its limit can still be too large.
      if (!(error instanceof RangeError)) throw error;
      throw new ApiError('BODY_TOO_LARGE', `The request makes too large a message: ${error.message}.`);
    }
  }

  #answered(answer: CommandAnswer): void {
    if (answer.ok) this.position.told(answer.seq);
    const waiting = this.#waiting.get(answer.commandId);
    if (waiting) waiting(answer);
    else this.#onLate(answer);
  }
}
