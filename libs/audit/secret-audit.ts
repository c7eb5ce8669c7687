import type { StepDispatched } from '#libs/domain/task/events.js';
import { secretReference } from '#libs/domain/task/step-secrets.js';

/** What is wrong with what a dispatch says of secrets; `scopes` are those of its task. Null where it is as it should be. */
export const wrongSecrets = (
  { input, secrets }: StepDispatched,
  scopes: readonly string[],
): string | null => {
  if (secrets === undefined) return null;
  const { workspace, template, uses, all } = secrets;
  if (!scopes.includes(`workspace:${workspace}`) || !scopes.includes(`template:${template}`))
    return `its secrets are said to be for template ${template} in workspace ${workspace}, which are not its own`;
  const wrong = uses.find(
    ({ name, path, at }) => !all.includes(name) || !textAt(input, path).startsWith(secretReference(name), at),
  );
  return wrong === undefined
    ? null
    : `${wrong.path.join('.')} has no reference to secret ${wrong.name} at ${wrong.at}`;
};

/** Empty for what is no text. */
const textAt = (value: unknown, [name, ...deeper]: readonly string[]): string => {
  if (name === undefined) return typeof value === 'string' ? value : '';
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? textAt((value as Readonly<Record<string, unknown>>)[name], deeper)
    : '';
};
