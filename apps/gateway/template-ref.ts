import { TEMPLATE_REF_PATTERN } from '#libs/template/waiting-step-types.js';

/** A template by its name alone, or a version of it: `summarize`, `summarize@3`, `summarize@6f22c56a0f375ed3`. */
export const TEMPLATE_REF = new RegExp(TEMPLATE_REF_PATTERN);
export const TEMPLATE_REF_SAYS =
  'must be the name of a template (lower-case letters, digits and -, 1 to 64 of them), alone or with @ and a version: its number, its hash or latest';

export const VERSION_SELECTOR = /^(?:[1-9][0-9]{0,8}|[0-9a-f]{16}|latest)$/;
export const VERSION_SELECTOR_SAYS = 'must be the number of a version, its hash or latest';

/** `selector` is null for what the folder has now. */
export const partsOf = (ref: string): { readonly name: string; readonly selector: string | null } => {
  const [name = '', selector] = ref.split('@');
  return { name, selector: selector === undefined || selector === 'latest' ? null : selector };
};
