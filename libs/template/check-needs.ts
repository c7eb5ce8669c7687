import type { TemplateStep } from './compiled-template.js';
import { shown } from './describe-schema.js';
import { didYouMean } from './suggest.js';
import type { Path, YamlSource } from './yaml-source.js';

/** A step, and where it stands. */
export type Placed = { readonly step: TemplateStep; readonly path: Path };

/** Ids of the other list of steps, where its steps run before these or after them. */
export type Others = { readonly before: ReadonlySet<string>; readonly after: ReadonlySet<string> };

/** Checks that steps need steps of their own list, each once and in no circle. */
export const checkNeeds = (steps: readonly Placed[], source: YamlSource, { before, after }: Others): void => {
  const ids = steps.map(({ step }) => step.id);
  for (const { path, step } of steps) {
    for (const [n, need] of step.needs.entries()) {
      if (source.isFull) break;
      const at = [...path, 'needs', n];
      const others = ids.filter((id) => id !== step.id).join(', ') || 'no needs here';
      if (before.has(need))
        source.problem(
          at,
          `${shown(need)} stands under 'steps', all of which have ended before; accepted: ${others}`,
        );
      else if (after.has(need))
        source.problem(
          at,
          `${shown(need)} stands under 'finally', and runs when all of these have ended; accepted: ${others}`,
        );
      else if (!ids.includes(need))
        source.problem(
          at,
          `${shown(need)} is not a step of this template${didYouMean(need, ids)}; accepted: ${ids.join(', ')}`,
        );
      else if (step.needs.indexOf(need) < n)
        source.problem(at, `${shown(need)} stands there twice; once is enough`);
    }
  }
  const cycle = cycleOf(steps.map(({ step }) => step));
  const first = steps.find(({ step }) => step.id === cycle?.[0]);
  if (cycle && first) {
    source.problem(
      [...first.path, 'needs'],
      `steps wait for each other: ${cycle.join(' → ')}; accepted: no cycle`,
    );
  }
};

/** The first circle of `needs`, from a step back to itself. */
const cycleOf = (steps: readonly TemplateStep[]): readonly string[] | null => {
  const needs = new Map(steps.map((step) => [step.id, step.needs]));
  const done = new Set<string>();
  const search = (id: string, trail: readonly string[]): readonly string[] | null => {
    if (trail.includes(id)) return [...trail.slice(trail.indexOf(id)), id];
    if (done.has(id)) return null;
    done.add(id);
    for (const need of needs.get(id) ?? []) {
      const found = search(need, [...trail, id]);
      if (found) return found;
    }
    return null;
  };
  for (const { id } of steps) {
    const found = search(id, []);
    if (found) return found;
  }
  return null;
};

/** Each with the steps that it needs, directly or through others. */
export const withAncestors = (
  steps: readonly Placed[],
): readonly (Placed & { readonly ancestors: ReadonlySet<string> })[] => {
  const needsOf = new Map(steps.map(({ step }) => [step.id, step.needs]));
  return steps.map((placed) => {
    const ancestors = new Set<string>();
    const open = [...placed.step.needs];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (ancestors.has(id)) continue;
      ancestors.add(id);
      open.push(...(needsOf.get(id) ?? []));
    }
    return { ...placed, ancestors };
  });
};
