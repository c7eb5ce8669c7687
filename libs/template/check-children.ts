import { childRefOf } from './child-ref.js';
import type { CompiledTemplate, TemplateProblem, TemplateStep } from './compiled-template.js';
import { shown } from './describe-schema.js';
import { hasExpression } from './expression.js';
import { parameterSchema } from './parameters-schema.js';
import { schemaCheck } from './schema-check.js';
import { didYouMean } from './suggest.js';
import { expressionsOf, valueTree } from './value-tree.js';
import { YamlSource, type Path } from './yaml-source.js';

/** A template without a mistake of its own, and the text that it was compiled from. */
export type TemplateText = {
  readonly template: CompiledTemplate;
  readonly text: string;
  readonly file: string;
};

type Known = ReadonlyMap<string, CompiledTemplate>;
type Wrong = { readonly path: Path; readonly message: string };

/** Names that a sentence lists. */
const NAMED_MAX = 20;

/**
 * What is wrong with the templates that steps of others submit, by file: one that is not there, one that reaches itself, and parameters that
 * it does not take. A step that names a version is passed over: versions are in the log, and not here.
 */
export const childProblems = (
  texts: readonly TemplateText[],
  others: readonly CompiledTemplate[] = [],
): ReadonlyMap<string, readonly TemplateProblem[]> => {
  const known: Known = new Map(
    [...others, ...texts.map(({ template }) => template)].map((one) => [one.name, one]),
  );
  const found = new Map<string, readonly TemplateProblem[]>();
  for (const { template, text, file } of texts) {
    const wrong = template.steps.flatMap((step, n) =>
      stepProblems(template, step, ['steps', n, 'with'], known),
    );
    if (wrong.length === 0) continue;
    const source = new YamlSource(text, file);
    for (const { path, message } of wrong) source.problem(path, message);
    found.set(file, source.problems);
  }
  return found;
};

const stepProblems = (
  { name }: CompiledTemplate,
  step: TemplateStep,
  at: Path,
  known: Known,
): readonly Wrong[] => {
  const ref = childRefOf(step);
  if (ref === null || ref.version !== undefined) return [];
  const path = [...at, 'template'];
  const child = known.get(ref.template);
  if (child === undefined) {
    const names = [...known.keys()].filter((other) => other !== name).toSorted();
    const accepted = names.slice(0, NAMED_MAX).join(', ') || 'none: there is no other one here';
    return [
      {
        path,
        message: `${shown(ref.template)} is not a template here${didYouMean(ref.template, names)}; accepted: ${accepted}`,
      },
    ];
  }
  const circle = circleTo(name, ref.template, known);
  if (circle !== null)
    return [
      {
        path,
        message: `templates submit each other: ${circle.join(' → ')}, which would never end; accepted: no circle`,
      },
    ];
  return parameterProblems(child, step.with['parameters'] ?? {}, [...at, 'parameters']);
};

/** From a template back to it by way of `next`; null where there is none. */
const circleTo = (name: string, next: string, known: Known): readonly string[] | null => {
  const seen = new Set<string>();
  const search = (at: string, trail: readonly string[]): readonly string[] | null => {
    if (at === name) return [...trail, at];
    if (seen.has(at)) return null;
    seen.add(at);
    for (const step of known.get(at)?.steps ?? []) {
      const ref = childRefOf(step);
      const found = ref === null || ref.version !== undefined ? null : search(ref.template, [...trail, at]);
      if (found) return found;
    }
    return null;
  };
  return search(next, [name]);
};

/** What is filled in later is passed over; the rest has to be as the child asks for it. */
const parameterProblems = (
  { name, parameters }: CompiledTemplate,
  given: unknown,
  at: Path,
): readonly Wrong[] => {
  if (typeof given !== 'object' || given === null) return [];
  const names = Object.keys(parameters);
  const of = `template '${name}'`;
  const accepted = names.join(', ') || 'none';
  const missing = Object.entries(parameters).flatMap(([parameter, { required }]): readonly Wrong[] =>
    required === true && !Object.hasOwn(given, parameter)
      ? [{ path: at, message: `${shown(parameter)} is missing, which ${of} needs; accepted: ${accepted}` }]
      : [],
  );
  const wrong = Object.entries(given).flatMap(([parameter, value]): readonly Wrong[] => {
    const spec = parameters[parameter];
    const path = [...at, parameter];
    if (spec === undefined)
      return [
        {
          path,
          message: `${of} has no such parameter${didYouMean(parameter, names)}; accepted: ${accepted}`,
        },
      ];
    if (isOpen(value)) return [];
    return schemaCheck(parameterSchema(spec))(value).map(({ segments, message }) => ({
      path: [...path, ...segments],
      message,
    }));
  });
  return [...missing, ...wrong];
};

/** Whether an expression stands in it, however deep. */
const isOpen = (value: unknown): boolean =>
  typeof value === 'string'
    ? hasExpression(value)
    : expressionsOf(valueTree(value, () => undefined)).length > 0;
