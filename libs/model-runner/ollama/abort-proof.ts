import type { ResidentModel } from '../model-runner.js';
import { sameModel } from './ollama-wire.js';
import { waitUntil } from './wait-until.js';

/**
 * Proof that the server let go of an aborted run.
 *
 * The server has no list of runs, but it moves a model's `expires_at` at one moment only: when the last run on that
 * model ends. So `expires_at` is read while the run still goes on, the connection is closed, and when a different
 * `expires_at` then stands still, a moment with no run at all lies between the two looks. While a model has never
 * been idle, the server invents a new `expires_at` at every look; that is why it has to stand still.
 *
 * The end of a run in the server's books is the end of its slot too once it sends tokens: the engine stops at the next
 * one. Before its first token it is not, and nothing else proves it (see `OllamaRuns.stop`).
 *
 * Another run on the same model hides that moment: then the abort stays unconfirmed, though it most likely worked.
 */
export type AbortProof = {
  readonly confirmed: boolean;
  readonly confirmedBy: 'idle' | 'not-resident' | 'not-sent' | 'closed' | 'nothing';
};

/** What `ps` says of the model: when it expires, `gone` when it is not listed, undefined when `ps` did not answer. */
export type Mark = string | undefined;

const GONE = 'gone';

export const markOf = (resident: readonly ResidentModel[], model: string): Mark => {
  const found = resident.find((candidate) => sameModel(candidate.model, model));
  return found === undefined ? GONE : found.expiresAt;
};

/** `look` is asked until it shows the proof; a look that fails says nothing and is repeated. */
export const proveAbort = async (
  before: Mark,
  look: () => Promise<Mark>,
  withinMs: number,
  everyMs: number,
): Promise<AbortProof> => {
  let previous: Mark;
  const proof = await waitUntil<AbortProof>(
    async () => {
      const now = await look().catch(() => undefined);
      const stands = now !== undefined && now === previous;
      previous = now;
      if (now === GONE) return { confirmed: true, confirmedBy: 'not-resident' };
      return before !== undefined && now !== before && stands
        ? { confirmed: true, confirmedBy: 'idle' }
        : undefined;
    },
    withinMs,
    everyMs,
  );
  return proof ?? { confirmed: false, confirmedBy: 'nothing' };
};
