import type { NatsConnection } from '@nats-io/transport-node';
import type { Command, CommandAnswer } from '#libs/contracts/commands.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { Inbox } from '#libs/event-log/inbox.js';

/** How long a client is kept for the decision; after it the command is stored and will be decided, which is a 202. */
const ANSWER_TIMEOUT_MS = 1_000;

/**
 * Sends commands and waits for their decisions. A command is safe once the broker has it; the decision usually follows within
 * milliseconds, on a subject of this gateway's own.
 */
export class SchedulerClient {
  readonly #waiting = new Map<string, (answer: CommandAnswer) => void>();
  readonly #answerTo: string;
  /** Highest position in `TASKS` that a client of this gateway was told about: its queries must see that much. */
  seenSeq = 0;

  constructor(
    connection: NatsConnection,
    private readonly commands: Inbox,
    gatewayId: string,
  ) {
    this.#answerTo = SUBJECTS.answers(gatewayId);
    connection.subscribe(this.#answerTo, {
      callback: (error, message) => {
        if (!error) this.#answered(message.json<CommandAnswer>());
      },
    });
  }

  /** The decision, or null when it did not come in time. Rejects with `LogUnavailableError` when the command was not stored. */
  async send(command: Command, traceparent?: string): Promise<CommandAnswer | null> {
    const { commandId } = command;
    const answer = new Promise<CommandAnswer | null>((resolve) => {
      const timer = setTimeout(() => resolve(null), ANSWER_TIMEOUT_MS);
      this.#waiting.set(commandId, (decided) => {
        clearTimeout(timer);
        resolve(decided);
      });
    });
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
      this.#waiting.delete(commandId);
    }
  }

  /** Stores a command without waiting for its decision. */
  async post(command: Command, traceparent?: string): Promise<void> {
    await this.commands.put({
      id: command.commandId,
      subject: SUBJECTS.command(command.kind, command.commandId),
      data: command,
      answerTo: this.#answerTo,
      ...(traceparent === undefined ? {} : { traceparent }),
    });
  }

  #answered(answer: CommandAnswer): void {
    if (answer.ok) this.seenSeq = Math.max(this.seenSeq, answer.seq);
    this.#waiting.get(answer.commandId)?.(answer);
  }
}
