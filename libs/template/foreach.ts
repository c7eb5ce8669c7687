import type { Failure } from '#libs/domain/errors.js';
import type { CompiledTemplate } from './compiled-template.js';
import { shown } from './describe-schema.js';
import { FOREACH_LIMITS } from './limits.js';
import { preparedTemplate } from './prepared-template.js';
import { renderForeach, type RenderContext } from './render.js';

export type ListedItems =
  | { readonly ok: true; readonly items: readonly unknown[] }
  | { readonly ok: false; readonly failure: Failure };

/** The items of a step with `foreach`, when all that it reads is there. The same whenever it is asked for. */
export const listItems = (
  template: CompiledTemplate,
  stepId: string,
  context: RenderContext,
): ListedItems => {
  const tree = preparedTemplate(template).steps.get(stepId)?.foreach;
  if (!tree) return { ok: true, items: [] };
  const rendered = renderForeach(template, stepId, tree, context);
  if (!rendered.ok) return rendered;
  const { value } = rendered;
  if (!Array.isArray(value)) return invalid(template, stepId, `gives ${shown(value)}; expected a list`);
  return value.length > FOREACH_LIMITS.items
    ? invalid(template, stepId, `gives ${value.length} items; up to ${FOREACH_LIMITS.items} are accepted`)
    : { ok: true, items: value };
};

const invalid = ({ name }: CompiledTemplate, stepId: string, what: string): ListedItems => ({
  ok: false,
  failure: { code: 'STEP_INPUT_INVALID', message: `template '${name}', steps.${stepId}.foreach: ${what}` },
});
