import { authoredCheck } from '#libs/template/authored-schema.js';
import { pathText, problemAt } from '#libs/template/schema-check.js';
import { StepError } from '../step-error.js';
import type { StepRunner } from '../step-runner.js';

/** The filled-in value, if it is as `check` says. */
export const transformStep: StepRunner = async ({ input }) => {
  const { value, check } = input as { readonly value: unknown; readonly check?: object };
  if (check === undefined) return { output: value };
  const compiled = authoredCheck(check);
  if (!compiled.ok) throw new StepError('STEP_INPUT_INVALID', `check: ${compiled.message}.`);
  const problems = compiled
    .check(value)
    .map((problem) => problemAt(pathText('value', problem.segments), problem));
  if (problems.length === 0) return { output: value };
  const said = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  throw new StepError('VALUE_REFUSED', said, { problems });
};
