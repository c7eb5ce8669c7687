import type { ErrorCode } from '#libs/domain/errors.js';

/** What a step gets from whoever runs it, besides what it says with. */
export type PluginInput = {
  readonly input: Readonly<Record<string, unknown>>;
  /** From 1. */
  readonly attempt: number;
  readonly model?: { readonly name: string; readonly url: string };
};

/** How a run ended. `code` is the one that an attempt in the platform fails with. */
export type PluginOutcome =
  | { readonly ok: true; readonly output: unknown }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details?: Readonly<Record<string, unknown>>;
    };
