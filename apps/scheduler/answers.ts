import type { CommandAnswer, CommandAnswers } from '#libs/contracts/commands.js';

/** Answers in one message. Each is a few hundred bytes; a refusal can be some kilobytes, and a message holds a megabyte. */
const TOGETHER_MAX = 100;

/** Sends the answers that become due together in one message to each gateway: one is heard as fast as a hundred. */
export class Answers {
  readonly #due = new Map<string, CommandAnswer[]>();

  constructor(private readonly send: (to: string, answers: CommandAnswers) => void) {}

  add(to: string, answer: CommandAnswer): void {
    // One that names thousands of tasks fills a message.
    if (answer.ok && answer.tasks !== undefined) return this.send(to, [answer]);
    // Answers of one acknowledgement are added in microtasks that stand in line before this one.
    if (this.#due.size === 0) queueMicrotask(() => this.#sendAll());
    const together = this.#due.get(to);
    if (together) together.push(answer);
    else this.#due.set(to, [answer]);
  }

  #sendAll(): void {
    for (const [to, answers] of this.#due) {
      for (let from = 0; from < answers.length; from += TOGETHER_MAX)
        this.send(to, answers.slice(from, from + TOGETHER_MAX));
    }
    this.#due.clear();
  }
}
