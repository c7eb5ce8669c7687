import type { WorkspaceId } from '../ids.js';

/** Names of secrets: they stand in expressions, as names of files and, in capitals, of variables. */
export const SECRET_NAME = /^[a-z][a-z0-9_-]{0,62}$/;
export const SECRET_NAME_ACCEPTED = 'a lower-case letter, then up to 62 lower-case letters, digits, _ and -';

/** What stands in the input of a dispatched step for the value of a secret. */
export const secretReference = (name: string): string => `{{ secrets.${name} }}`;

/**
 * One place of an input where a template refers to a secret: the text at `path` has the reference at the offset `at` (UTF-16 code units).
 * Only listed places are filled in, so the same text in a parameter or in the answer of a model stays text.
 */
export type SecretUse = { readonly name: string; readonly path: readonly string[]; readonly at: number };

/** What an executor has to know of secrets to run a step of a template that refers to some. Never a value. */
export type StepSecrets = {
  readonly workspace: WorkspaceId;
  /** Name of the template; whether it may use them is the executor's to decide. */
  readonly template: string;
  readonly uses: readonly SecretUse[];
  /** Every secret that the template refers to in any step: what a step gives back is searched for all of them. */
  readonly all: readonly string[];
};
