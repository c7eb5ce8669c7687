import type { CommandAnswer } from '#libs/contracts/commands.js';
import type { Failure } from '#libs/domain/errors.js';

/** What became of a submission whose client was sent away before it was decided. */
export type LateDecision =
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'repeated'; readonly taskId: string };

/** Submissions remembered at most; the oldest is forgotten first. Each is a few hundred bytes. */
const KEPT_MAX = 10_000;

/**
 * Remembers submissions that were answered with 202, so that whoever asks for the task learns that it is still undecided,
 * or why it was refused. Only a courtesy: what was accepted is in the log, and a restart forgets the rest.
 */
export class LateDecisions {
  readonly #byTask = new Map<string, LateDecision>();
  readonly #taskOf = new Map<string, string>();

  /** `taskId` is that of a task or of a workflow. */
  expect(commandId: string, taskId: string): void {
    this.#taskOf.set(commandId, taskId);
    this.#byTask.set(taskId, { kind: 'open' });
    for (const map of [this.#taskOf, this.#byTask]) {
      const [oldest] = map.keys();
      if (map.size > KEPT_MAX && oldest !== undefined) map.delete(oldest);
    }
  }

  decided(answer: CommandAnswer): void {
    const taskId = this.#taskOf.get(answer.commandId);
    if (taskId === undefined) return;
    this.#taskOf.delete(answer.commandId);
    if (!answer.ok) this.#byTask.set(taskId, { kind: 'refused', failure: answer.failure });
    else {
      const made = answer.taskId ?? answer.workflowId ?? taskId;
      if (made === taskId) this.#byTask.delete(taskId);
      else this.#byTask.set(taskId, { kind: 'repeated', taskId: made });
    }
  }

  of(taskId: string): LateDecision | undefined {
    return this.#byTask.get(taskId);
  }
}
