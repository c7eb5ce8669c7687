import { realpath } from 'node:fs/promises';
import { StepError } from '../step-error.js';
import { findProgram } from './find-sandbox.js';
import type { Mount } from './sandbox-arguments.js';

/** A program that runs scripts, and what has to be mounted for it where it stands outside of the system folders. */
export type Interpreter = { readonly file: string; readonly mounts: readonly Mount[] };

export type Interpreters = ReadonlyMap<string, Interpreter | null>;

/** Finds the allowed ones; null for those that this machine lacks. */
export const findInterpreters = async (names: readonly string[]): Promise<Interpreters> => {
  const found = new Map<string, Interpreter | null>();
  for (const name of names) {
    if (name === 'node') {
      // Our own: it is there, and of a version that is known.
      const source = await realpath(process.execPath);
      found.set(name, {
        file: source,
        mounts: [{ source, target: '/run/interpreters/node', writable: false }],
      });
      continue;
    }
    const file = await findProgram(name);
    found.set(name, file === null ? null : { file, mounts: [] });
  }
  return found;
};

/** Throws for one that is not allowed, or not there. */
export const interpreterOf = (name: string, interpreters: Interpreters): Interpreter => {
  const found = interpreters.get(name);
  if (found) return found;
  const accepted =
    [...interpreters].flatMap(([known, there]) => (there === null ? [] : [known])).join(', ') || 'none';
  const why =
    found === null
      ? 'is not installed on this machine'
      : 'is not allowed here (ORCHESTRA_SCRIPT_INTERPRETERS)';
  throw new StepError('STEP_NOT_ALLOWED', `interpreter '${name}' ${why}; accepted: ${accepted}.`);
};
