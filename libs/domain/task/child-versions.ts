import type { Failure } from '../errors.js';
import type { StepSpec } from './step-spec.js';
import { templateKey, type TaskBook } from './task-book.js';

type Known = Pick<TaskBook, 'templates' | 'latestVersions'>;
type Pinned = { readonly steps: readonly StepSpec[] } | { readonly refused: Failure };

/** Versions that a refusal names. */
const NAMED_MAX = 5;

/**
 * The steps of a submission with the versions of the templates that they submit: a task keeps those that there were when it was accepted,
 * as it keeps its own. Without a version the one that was registered last is meant.
 */
export const withPinnedChildren = (steps: readonly StepSpec[], book: Known): Pinned => {
  if (!steps.some(({ child }) => child)) return { steps };
  const pinned: StepSpec[] = [];
  for (const step of steps) {
    const { child } = step;
    const version = child && versionOf(child.template, child.version, book);
    if (child && version === undefined) return { refused: unknownChild(step.id, child, book) };
    pinned.push(child && version !== undefined ? { ...step, child: { ...child, version } } : step);
  }
  return { steps: pinned };
};

/** By its hash, or by its number among the versions of its name, in the order in which they became known. */
const versionOf = (name: string, wanted: string | undefined, book: Known): string | undefined => {
  if (wanted === undefined) return book.latestVersions.get(name);
  if (book.templates.has(templateKey({ name, version: wanted }))) return wanted;
  return versionsOf(name, book)[Number(wanted) - 1];
};

const versionsOf = (name: string, { templates }: Known): readonly string[] => {
  const start = `${name}@`;
  return [...templates.keys()].flatMap((key) => (key.startsWith(start) ? key.slice(start.length) : []));
};

const unknownChild = (
  stepId: string,
  { template, version }: { readonly template: string; readonly version?: string },
  book: Known,
): Failure => {
  const known = versionsOf(template, book);
  const newest = known.map((hash, place) => `${place + 1} (${hash})`).slice(-NAMED_MAX);
  const what =
    version === undefined || known.length === 0
      ? `'${template}' is not a template that is registered`
      : `'${template}@${version}' is not a version of its template; accepted: ${newest.join(', ')}`;
  return { code: 'TEMPLATE_VERSION_UNKNOWN', message: `steps.${stepId}.with.template: ${what}.` };
};
