import { setImmediate as breathe } from 'timers/promises';
import { type Compute, SPILLED_SLOWDOWN } from './compute.js';
import type { Faults } from './faults.js';
import { HttpFailure } from './http-failure.js';
import type { SimClock } from './sim-clock.js';
import type { SimRunner } from './sim-runner.js';

/** What a completion needs of the simulated machine. */
export type Machine = { readonly clock: SimClock; readonly compute: Compute; readonly faults: Faults };

export type CompletionFigures = {
  readonly promptMs: number;
  readonly evalMs: number;
  readonly evalCount: number;
};

/** The connection ends here, in mid-stream and without a word. */
export class Killed extends Error {
  override readonly name = 'Killed';

  constructor(readonly clean: boolean) {
    super('killed in mid-stream');
  }
}

/** A timer cannot be shorter than this, so faster tokens come in groups. */
const TIMER_MS = 1;

/**
 * Takes a slot, evaluates the prompt and gives the tokens at the speed of the model, then the figures. The slot is
 * free again when the generator ends, also when the reader stops reading.
 */
export async function* complete(
  machine: Machine,
  runner: SimRunner,
  promptTokens: number,
  tokens: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<string, CompletionFigures> {
  const freeSlot = await runner.slots.take(signal);
  const leave = machine.compute.enter(runner.model.name);
  try {
    const { clock } = machine;
    const startedAt = clock.nowMs();
    const disturb = disturbance(machine, runner.model.name, signal);
    await disturb(0);
    // Not ended by a client that goes away: the real engine looks for that only when it has a token to send.
    await clock.sleep(promptMs(runner, promptTokens));
    signal.throwIfAborted();
    const promptDoneAt = clock.nowMs();
    const pace = pacer(machine, runner, signal);
    let count = 0;
    for (const token of tokens) {
      await pace();
      yield token;
      count += 1;
      await disturb(count);
    }
    return { promptMs: promptDoneAt - startedAt, evalMs: clock.nowMs() - promptDoneAt, evalCount: count };
  } finally {
    leave();
    freeSlot();
  }
}

/** Milliseconds of an evaluation without generation. */
export const promptMs = (runner: SimRunner, promptTokens: number): number =>
  (promptTokens / runner.model.promptTokensPerS) * 1_000 * spill(runner);

const spill = (runner: SimRunner): number =>
  runner.memory.vramBytes < runner.memory.sizeBytes ? SPILLED_SLOWDOWN : 1;

/** Waits until the next token is due. Real speed follows the clock, not the number of timers. */
const pacer = (
  { clock, compute, faults }: Machine,
  runner: SimRunner,
  signal: AbortSignal,
): (() => Promise<void>) => {
  let dueAt = clock.nowMs();
  return async () => {
    const slow = faults.strike('slow', runner.model.name)?.factor ?? 1;
    dueAt +=
      (1_000 / runner.model.generateTokensPerS) * compute.slowdown(runner.model.name) * spill(runner) * slow;
    const realMs = (dueAt - clock.nowMs()) / clock.timeScale;
    if (realMs >= TIMER_MS) await clock.sleep(dueAt - clock.nowMs(), signal);
    else await breathe();
    signal.throwIfAborted();
  };
};

/** The faults of this completion; each strikes after so many tokens, 0 being before the first. */
const disturbance = (
  { faults }: Machine,
  model: string,
  signal: AbortSignal,
): ((tokens: number) => Promise<void>) => {
  const kill = faults.strike('kill-stream', model);
  const error = faults.strike('error-line', model);
  const hang = faults.strike('hang', model);
  return async (tokens) => {
    if (kill && tokens === (kill.afterTokens ?? 1)) throw new Killed(kill.clean ?? false);
    if (error && tokens === (error.afterTokens ?? 1))
      throw new HttpFailure(500, error.message ?? RUNNER_STOPPED);
    if (hang && tokens === (hang.afterTokens ?? 1)) await aborted(signal);
  };
};

const RUNNER_STOPPED =
  'model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, ' +
  'check ollama server logs for details';

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = (): void => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
