import type { Failure } from '#libs/domain/errors.js';
import type { Requirement } from '#libs/domain/task/requirement.js';
import { TASK_DEPTH_MAX } from '#libs/domain/task/child-part.js';
import { childRefOf, type ChildRef } from './child-ref.js';
import type { CompiledTemplate, TemplateStep, ValueProblem } from './compiled-template.js';
import type { Reference, Scope } from './expression.js';
import { listItems } from './foreach.js';
import { planSteps, type PlanDefaults } from './plan-steps.js';
import { preparedTemplate, type PreparedStep } from './prepared-template.js';
import { decideCondition, withMissing } from './render.js';
import { validateParameters, type Parameters } from './validate-parameters.js';
import { expressionsOf, fillKnown, FillError } from './value-tree.js';

/** What a task of a template would be: its graph with all that follows from the parameters filled in. Nothing of it runs. */
export type DryRun = {
  readonly name: string;
  readonly version: string;
  /** With defaults. */
  readonly parameters: Parameters;
  /** In the order of the template, those under `finally` last. */
  readonly steps: readonly DryStep[];
  /** What the task results in: `output`, or the values of `outputs` by name, as far as they are known; null without either. */
  readonly result: unknown;
};

export type DryStep = Pick<
  TemplateStep,
  'id' | 'type' | 'needs' | 'retry' | 'on_failure' | 'timeout' | 'no_progress' | 'plugin_missing'
> & {
  /** Steps with the same number may run beside each other; from 1. Those at the end follow on all others. */
  readonly stage: number;
  /** It runs when all others have ended, however they did. */
  readonly finally: boolean;
  /** Null for a step that waits: it takes none. */
  readonly slot: Slot | null;
  /** For a step that runs for each of a list; `items` is null where the list depends on other steps. */
  readonly foreach?: { readonly items: number | null; readonly concurrency: number };
  /** `holds` is null where it depends on other steps. */
  readonly when?: { readonly expression: string; readonly holds: boolean | null };
  /** Expressions that wait for other steps, or for the item, stand as they were written. */
  readonly input: unknown;
  /** For a step that is a task. */
  readonly child?: DryChild;
};

/** What a step submits. */
export type DryChild = {
  readonly template: string;
  /** Null where the template is not at hand. */
  readonly version: string | null;
  /** Ids of its steps. */
  readonly steps: readonly string[];
  /** What its task would be; null where its parameters depend on other steps, or it is too far below to be shown. */
  readonly run: DryRun | null;
};

export type DryRunGiven = PlanDefaults & {
  /** The templates that steps submit, as far as they are at hand. */
  readonly childOf?: (ref: ChildRef) => CompiledTemplate | undefined;
  /** How many tasks are above. */
  readonly depth?: number;
};

/** What a step takes a slot of; the options are those by which loaded models differ, as templates write them. */
type Slot =
  | { readonly kind: 'cpu' }
  | { readonly kind: 'model'; readonly model: string; readonly options: Readonly<Record<string, unknown>> };

export type DryRunOutcome =
  | { readonly ok: true; readonly run: DryRun }
  | { readonly ok: false; readonly failure: Failure; readonly problems: readonly ValueProblem[] };

/** Plans a task by the same functions as a submission, so what is refused there is refused here. */
export const dryRun = (
  template: CompiledTemplate,
  given: Parameters,
  defaults: DryRunGiven,
): DryRunOutcome => {
  const checked = validateParameters(template, given);
  if (!checked.ok) {
    const message = checked.problems.map(({ path, message: said }) => `${path}: ${said}`).join('; ');
    return { ok: false, failure: { code: 'PARAMETERS_INVALID', message }, problems: checked.problems };
  }
  const { parameters } = checked;
  const planned = planSteps(template, parameters, defaults);
  if (!planned.ok) return refused(planned.failure);
  const prepared = preparedTemplate(template);
  const scope = withMissing(prepared.notGiven, { parameters, steps: {} });
  const stages = stagesOf(template);
  const children = childrenOf(template, scope, defaults);
  if ('failure' in children) return refused(children.failure);
  try {
    const steps = planned.steps.flatMap(({ id, requirement, waits }): DryStep[] => {
      const step = prepared.steps.get(id);
      if (step === undefined) return [];
      return [
        {
          ...shownStep(step.step),
          stage: stages.get(id) ?? 1,
          finally: step.atEnd,
          slot: waits === undefined ? slotOf(requirement) : null,
          ...listPart(template, step, scope),
          ...openParts(template, step, scope),
          ...children.byStep.get(id),
        },
      ];
    });
    const { name, version } = template;
    return { ok: true, run: { name, version, parameters, steps, result: resultOf(template, scope) } };
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    const message = `template '${template.name}': ${error.message} in '${error.source.slice(0, 160)}'`;
    return refused({ code: 'TEMPLATE_RENDER_FAILED', message });
  }
};

type Children =
  | { readonly byStep: ReadonlyMap<string, { readonly child: DryChild }> }
  | { readonly failure: Failure };

/** What the steps submit, by their ids; a child that would be refused is refused here. */
const childrenOf = (template: CompiledTemplate, scope: Scope, given: DryRunGiven): Children => {
  const byStep = new Map<string, { readonly child: DryChild }>();
  const depth = (given.depth ?? 0) + 1;
  for (const { step, input } of preparedTemplate(template).steps.values()) {
    const ref = childRefOf(step);
    if (ref === null) continue;
    const found = given.childOf?.(ref);
    const { template: name } = ref;
    const shown = {
      template: name,
      version: found?.version ?? null,
      steps: found?.steps.map(({ id }) => id) ?? [],
    };
    const reads = expressionsOf(input).flatMap(({ expression }) => expression.references);
    if (found === undefined || depth > TASK_DEPTH_MAX || !reads.every(isKnown)) {
      byStep.set(step.id, { child: { ...shown, run: null } });
      continue;
    }
    const { parameters = {} } = fillKnown(input, scope, isKnown) as { readonly parameters?: Parameters };
    const outcome = dryRun(found, parameters, { ...given, depth });
    if (!outcome.ok) {
      const { code, message } = outcome.failure;
      return { failure: { code, message: `steps.${step.id} (template '${name}'): ${message}` } };
    }
    byStep.set(step.id, { child: { ...shown, run: outcome.run } });
  }
  return { byStep };
};

const refused = (failure: Failure): DryRunOutcome => ({ ok: false, failure, problems: [] });

const slotOf = (requirement: Requirement): Slot => {
  if (requirement.kind === 'cpu') return requirement;
  const { model, options } = requirement.profile;
  const written = Object.entries(options).map(([name, value]) => [
    name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return { kind: 'model', model, options: Object.fromEntries(written) };
};

/** What stands in the template as it is; the rest is filled in. */
const shownStep = (
  step: TemplateStep,
): Omit<TemplateStep, 'with' | 'when' | 'foreach' | 'concurrency' | 'slot'> => {
  const { with: _input, when: _when, foreach: _foreach, concurrency: _at, slot: _slot, ...shown } = step;
  return shown;
};

const listPart = (
  template: CompiledTemplate,
  { step, foreach }: PreparedStep,
  scope: Scope,
): Pick<DryStep, 'foreach'> => {
  if (foreach === null || step.concurrency === undefined) return {};
  const { concurrency } = step;
  const reads = expressionsOf(foreach).flatMap(({ expression }) => expression.references);
  if (!reads.every(isKnown)) return { foreach: { items: null, concurrency } };
  const listed = listItems(template, step.id, scope);
  return { foreach: { items: listed.ok ? listed.items.length : null, concurrency } };
};

const openParts = (
  template: CompiledTemplate,
  { step, condition, input }: PreparedStep,
  scope: Scope,
): Pick<DryStep, 'when' | 'input'> => {
  const filled = fillKnown(input, scope, isKnown);
  if (condition === null) return { input: filled };
  const decided = condition.references.every(isKnown) ? decideCondition(template, step.id, scope) : null;
  const holds = decided?.ok === true ? decided.holds : null;
  return { when: { expression: condition.source, holds }, input: filled };
};

const resultOf = (template: CompiledTemplate, scope: Scope): unknown => {
  const { output, outputs } = preparedTemplate(template);
  if (template.outputs === undefined) return fillKnown(output, scope, isKnown);
  const named = [...outputs].map(([name, { value }]) => [name, fillKnown(value, scope, isKnown)] as const);
  return Object.fromEntries(named);
};

const isKnown = ([root]: Reference): boolean => root === 'parameters';

/** One more than the latest of the steps that each needs. Templates have no cycles. */
const stagesOf = ({ steps, finally: atEnd = [] }: CompiledTemplate): ReadonlyMap<string, number> => {
  const before = stagesFrom(steps, 0);
  return new Map([...before, ...stagesFrom(atEnd, Math.max(...before.values()))]);
};

const stagesFrom = (steps: readonly TemplateStep[], after: number): ReadonlyMap<string, number> => {
  const needs = new Map(steps.map((step) => [step.id, step.needs]));
  const stages = new Map<string, number>();
  const stageOf = (id: string): number => {
    const known = stages.get(id);
    if (known !== undefined) return known;
    const stage = 1 + Math.max(after, ...(needs.get(id) ?? []).map(stageOf));
    stages.set(id, stage);
    return stage;
  };
  for (const { id } of steps) stageOf(id);
  return stages;
};
