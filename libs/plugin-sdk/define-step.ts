import type { StepManifest } from '#libs/contracts/plugin-wire.js';

/** What a step gets: its input, which fits its schema, and ways to say how it gets on. */
export type StepContext<Input = Readonly<Record<string, unknown>>> = {
  readonly input: Input;
  /** From 1; an attempt may find what the one before has left behind. */
  readonly attempt: number;
  /** Only of a step that needs a model: where it holds a slot of it. */
  readonly model?: { readonly name: string; readonly url: string };
  /** Aborted when nobody wants the result any more; two seconds later its process is ended. */
  readonly signal: AbortSignal;
  /** A line for whoever follows the task now (`--watch`, its stream); it is not kept. */
  readonly log: (message: string) => void;
  /** How far it is, for the same people; also what says that it gets on, where its step has `no_progress`. */
  readonly progress: (message: string, completed?: number, total?: number) => void;
};

export type Step<Input = Readonly<Record<string, unknown>>, Output = unknown> = StepManifest & {
  readonly run: (context: StepContext<Input>) => Output | Promise<Output>;
};

/** Types a step; the module's default export is one, or a list of them. */
export const defineStep = <Input = Readonly<Record<string, unknown>>, Output = unknown>(
  step: Step<Input, Output>,
): Step<Input, Output> => step;

/** Thrown by a step that would fail the same way again: no further attempt is made. */
export class FinalError extends Error {
  override readonly name = 'FinalError';
  readonly retry = false;
}
