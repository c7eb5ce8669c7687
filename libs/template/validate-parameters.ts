import type { CompiledTemplate, ValueProblem } from './compiled-template.js';
import { shown } from './describe-schema.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { isNestedWithin } from './nesting.js';
import { preparedTemplate } from './prepared-template.js';
import { pathText, problemAt } from './schema-check.js';

export type Parameters = Readonly<Record<string, unknown>>;

export type ValidatedParameters =
  | { readonly ok: true; readonly parameters: Parameters }
  | { readonly ok: false; readonly problems: readonly ValueProblem[] };

/** Checks against what the template declares and fills in its defaults. Nothing is converted. */
export const validateParameters = (
  template: CompiledTemplate,
  parameters: Parameters,
): ValidatedParameters => {
  if (!isNestedWithin(parameters, TEMPLATE_LIMITS.depth)) {
    const accepted = `up to ${TEMPLATE_LIMITS.depth} levels of objects and lists`;
    const message = `${shown(Object.keys(parameters))} nests deeper than accepted; accepted: ${accepted}`;
    return { ok: false, problems: [{ path: 'parameters', message, accepted }] };
  }
  const problems = preparedTemplate(template).checkParameters(parameters);
  if (problems.length > 0)
    return {
      ok: false,
      problems: problems.map((problem) => problemAt(pathText('parameters', problem.segments), problem)),
    };
  let filled: Record<string, unknown> | null = null;
  for (const [name, { default: preset }] of Object.entries(template.parameters)) {
    if (preset === undefined || Object.hasOwn(parameters, name)) continue;
    filled ??= { ...parameters };
    filled[name] = preset;
  }
  return { ok: true, parameters: filled ?? parameters };
};
