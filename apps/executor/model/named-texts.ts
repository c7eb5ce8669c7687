import { StepError } from '../step-error.js';

/** As the schemas of the steps that take texts have checked it: a text, one with a name, or a file as `read_files` gives it. */
export type TextItem = string | { readonly name?: string; readonly path?: string; readonly text: string };

export type NamedText = { readonly name: string; readonly text: string };

/** Each with a name: its own, its path, or its number from 1. Those that hold nothing but blanks are left out. */
export const namedTexts = (items: readonly TextItem[]): readonly NamedText[] => {
  const named = items.map((item, n): NamedText => {
    if (typeof item === 'string') return { name: String(n + 1), text: item };
    return { name: item.name ?? item.path ?? String(n + 1), text: item.text };
  });
  const kept = named.filter(({ text }) => text.trim() !== '');
  if (kept.length > 0) return kept;
  throw new StepError(
    'STEP_INPUT_INVALID',
    'items: all of them are empty; accepted: at least one with text.',
  );
};
