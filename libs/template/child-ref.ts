import type { TemplateStep } from './compiled-template.js';

/** The template that a step of type `task` submits. `version`: its hash or its number; absent for the latest. */
export type ChildRef = { readonly template: string; readonly version?: string };

/** Null for a step of another type. Call it for steps of checked templates. */
export const childRefOf = ({ type, with: input }: Pick<TemplateStep, 'type' | 'with'>): ChildRef | null => {
  const ref = input['template'];
  if (type !== 'task' || typeof ref !== 'string') return null;
  const [template = '', version = 'latest'] = ref.split('@');
  return version === 'latest' ? { template } : { template, version };
};
