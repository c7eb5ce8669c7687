import { SECRET_NAME_ACCEPTED } from '#libs/domain/task/step-secrets.js';
import { isSecretName } from './secret-text.js';
import { pathText, startsWith } from './schema-check.js';
import { STEP_TYPES, type StepType } from './step-types.js';
import type { ExpressionPlace } from './value-tree.js';

export type SecretProblem = { readonly path: readonly string[]; readonly message: string };

/** What is wrong with the references to secrets in the input of a step; `type` is null for a place that is no input. */
export const secretProblems = (
  places: readonly ExpressionPlace[],
  type: StepType | null,
): readonly SecretProblem[] =>
  places.flatMap(({ path, expression }) => {
    const referred = expression.references.filter(([root]) => root === 'secrets');
    return referred.flatMap(([, name]) => {
      const message = problemOf(name ?? null, { path, expression }, type);
      return message === null
        ? []
        : [{ path, message: `secrets.${name ?? '[…]'}: ${message}`.slice(0, 2000) }];
    });
  });

const problemOf = (
  name: string | null,
  { path, expression }: Pick<ExpressionPlace, 'path' | 'expression'>,
  type: StepType | null,
): string | null => {
  const [field = ''] = path;
  if (!type?.secretFields?.includes(field)) return `no secret may stand here; accepted: ${acceptedIn(type)}`;
  if (expression.place === undefined || name === null)
    return 'a secret is taken as it is, without filters and tags; accepted: {{ secrets.<name> }}, with other text and expressions beside it';
  return isSecretName(name) ? null : `this is no name of a secret; accepted: ${SECRET_NAME_ACCEPTED}`;
};

const fieldsOf = ({ name, secretFields = [] }: StepType): string => `${secretFields.join(', ')} of ${name}`;

const acceptedIn = (type: StepType | null): string =>
  type?.secretFields === undefined
    ? [...STEP_TYPES.values()]
        .filter(({ secretFields }) => secretFields !== undefined)
        .map(fieldsOf)
        .join('; ')
    : fieldsOf(type);

/** Texts that would stand in the log if they were no secrets. */
export const plainSecrets = (
  input: Readonly<Record<string, unknown>>,
  places: readonly ExpressionPlace[],
  type: StepType,
): readonly SecretProblem[] =>
  (type.secretOnly ?? []).flatMap((wanted) => {
    const place = places.find(({ path }) => startsWith(wanted, path));
    if (place?.expression.place !== undefined && place.path.length === wanted.length) return [];
    if (place === undefined && valueAt(input, wanted) === undefined) return [];
    const message = `this would stand in the log for ever; accepted: {{ secrets.<name> }} as ${pathText('', wanted)}`;
    return [{ path: place?.path ?? wanted, message }];
  });

const valueAt = (value: unknown, [field, ...deeper]: readonly string[]): unknown => {
  if (field === undefined) return value;
  return typeof value === 'object' && value !== null && Object.hasOwn(value, field)
    ? valueAt((value as Readonly<Record<string, unknown>>)[field], deeper)
    : undefined;
};
