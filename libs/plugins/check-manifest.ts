import type { StepManifest } from '#libs/contracts/plugin-wire.js';
import { isPluginType, PLUGIN_TYPE_ACCEPTED } from '#libs/domain/plugin-type.js';
import { authoredCheck } from '#libs/template/authored-schema.js';
import { pathText, type SchemaCheck } from '#libs/template/schema-check.js';
import { didYouMean } from '#libs/template/suggest.js';

/** A step type with its schemas compiled. Each check answers with a sentence about what is wrong, or null. */
export type CheckedManifest = {
  readonly manifest: StepManifest;
  /** What is probably not meant so, and does not keep it from running. */
  readonly warnings: readonly string[];
  readonly inputProblem: (input: unknown) => string | null;
  readonly outputProblem: (output: unknown) => string | null;
};

export type ManifestCheck =
  | { readonly ok: true; readonly checked: CheckedManifest }
  | { readonly ok: false; readonly error: string };

const VERSION = /^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$/;
const DESCRIPTION_MAX_CHARS = 2_000;
const PROBLEMS_TOLD_MAX = 10;

/** Whether this is a manifest, and what is wrong where it is not. */
export const checkManifest = (value: unknown): ManifestCheck => {
  const refused = (error: string): ManifestCheck => ({ ok: false, error });
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refused('the manifest is no object; expected {name, version, input, output}');
  const { name, version, description, needs, input, output } = value as Record<string, unknown>;
  if (typeof name !== 'string' || !isPluginType(name))
    return refused(`manifest.name ${shown(name)} is not accepted; expected ${PLUGIN_TYPE_ACCEPTED}`);
  if (typeof version !== 'string' || !VERSION.test(version))
    return refused(`manifest.version ${shown(version)} is not accepted; expected a version such as 1.0.0`);
  if (
    description !== undefined &&
    (typeof description !== 'string' || description.length > DESCRIPTION_MAX_CHARS)
  )
    return refused(
      `manifest.description is not accepted; expected up to ${DESCRIPTION_MAX_CHARS} characters`,
    );
  if (needs !== undefined && needs !== 'cpu' && needs !== 'model')
    return refused(`manifest.needs ${shown(needs)} is not accepted; expected cpu or model`);
  const takes = checkOf(input);
  if ('error' in takes) return refused(`manifest.input: ${takes.error}`);
  const gives = checkOf(output);
  if ('error' in gives) return refused(`manifest.output: ${gives.error}`);
  return {
    ok: true,
    checked: {
      manifest: value as StepManifest,
      warnings: unknownFields(value),
      inputProblem: (given) => problemIn('input', takes.check, given),
      outputProblem: (given) => problemIn('output', gives.check, given),
    },
  };
};

const FIELDS: readonly string[] = [
  'name',
  'version',
  'description',
  'needs',
  'input',
  'output',
] satisfies readonly (keyof StepManifest)[];

/** Authors may keep something of their own there; but `inputs` would leave every input unchecked, and nobody would know. */
const unknownFields = (manifest: object): readonly string[] =>
  Object.keys(manifest)
    .filter((field) => !FIELDS.includes(field))
    .slice(0, PROBLEMS_TOLD_MAX)
    .map(
      (field) =>
        `manifest.${field.slice(0, 100)}: a manifest has no such field${didYouMean(field, FIELDS)}; it is ignored; known: ${FIELDS.join(', ')}`,
    );

const checkOf = (schema: unknown): { readonly check: SchemaCheck | null } | { readonly error: string } => {
  if (schema === undefined) return { check: null };
  const compiled = authoredCheck(schema);
  return compiled.ok ? { check: compiled.check } : { error: compiled.message };
};

const problemIn = (what: string, check: SchemaCheck | null, value: unknown): string | null => {
  const problems = check?.(value) ?? [];
  if (problems.length === 0) return null;
  return problems
    .slice(0, PROBLEMS_TOLD_MAX)
    .map(({ segments, message }) => `${pathText(what, segments)}: ${message}`)
    .join('; ');
};

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 100) ?? 'is missing and';
