import { secretReference, type StepSecrets } from '#libs/domain/task/step-secrets.js';
import type { StepDispatched } from '#libs/domain/task/events.js';
import { NO_SECRETS, Redactor } from '#libs/secrets/redactor.js';
import { SecretError } from '#libs/secrets/secret-error.js';
import type { Seeker } from '#libs/secrets/secret-sources.js';
import { checkOf } from '#libs/template/check-inputs.js';
import { pathText } from '#libs/template/schema-check.js';
import { STEP_TYPES } from '#libs/template/step-types.js';
import { StepError } from '../step-error.js';
import { withTexts } from './with-texts.js';

/** An input with the values of its secrets in it, which stays in this process, and what takes them out of all that leaves. */
export type OpenedInput = {
  readonly input: Readonly<Record<string, unknown>>;
  readonly redactor: Redactor;
};

/** A secret that was changed while a task runs is still in its files: so many of its last values are known. */
const VALUES_REMEMBERED = 4;

/** Fills secrets into inputs at the last moment. */
export class GivenSecrets {
  readonly #values = new Map<string, readonly string[]>();

  constructor(private readonly read: (name: string, seeker: Seeker) => Promise<string>) {}

  /** Rejects with `SecretError` or `StepError`, neither of which has a value in it. */
  async open({ stepType, stepId, input, secrets }: StepDispatched): Promise<OpenedInput> {
    if (secrets === undefined) return { input, redactor: NO_SECRETS };
    const values = await this.#valuesFor(stepType, secrets);
    const redactor = new Redactor(
      secrets.all.flatMap((name) => (this.#values.get(name) ?? []).map((value) => [name, value] as const)),
    );
    if (secrets.uses.length === 0) return { input, redactor };
    const filled = withTexts(input, secrets.uses, ({ name, at }, text) => {
      const reference = secretReference(name);
      if (!text.startsWith(reference, at))
        throw new StepError('INTERNAL', `The input of step '${stepId}' has no ${reference} where it should.`);
      return { length: reference.length, text: values.get(name) ?? '' };
    });
    refuseUnfit(stepType, filled);
    return { input: filled, redactor };
  }

  /** Those that the step is given; of the others of its template only what is there is remembered. */
  async #valuesFor(stepType: string, secrets: StepSecrets): Promise<ReadonlyMap<string, string>> {
    const { uses, all, template, workspace } = secrets;
    const fields = STEP_TYPES.get(stepType)?.secretFields ?? [];
    const values = new Map<string, string>();
    for (const { name, path } of uses) {
      if (!fields.includes(path[0] ?? ''))
        throw new SecretError(
          'SECRET_NOT_ALLOWED',
          `Secret '${name}' may not stand in ${pathText('', path)}.`,
        );
      if (values.has(name)) continue;
      const value = await this.read(name, { template, workspace });
      values.set(name, value);
      this.#remember(name, value);
    }
    for (const name of all) {
      if (values.has(name)) continue;
      try {
        this.#remember(name, await this.read(name, { template, workspace }));
      } catch (error) {
        // This step does not use it, and whoever does will say so.
        if (!(error instanceof SecretError)) throw error;
      }
    }
    return values;
  }

  #remember(name: string, value: string): void {
    const known = this.#values.get(name) ?? [];
    if (known.at(-1) === value) return;
    this.#values.set(name, [...known.filter((one) => one !== value), value].slice(-VALUES_REMEMBERED));
  }
}

/** The limits of the step's input hold for values too. What does not fit is not shown. */
const refuseUnfit = (stepType: string, input: Readonly<Record<string, unknown>>): void => {
  const type = STEP_TYPES.get(stepType);
  const [problem] = type === undefined ? [] : checkOf(type)(input);
  if (problem === undefined) return;
  const path = pathText('', problem.segments);
  throw new StepError(
    'STEP_INPUT_INVALID',
    `With its secrets filled in ${path} does not fit; accepted: ${problem.accepted}.`,
  );
};
