import type { Failure } from '#libs/domain/errors.js';
import { decidesPlacement, referenceText } from './check-inputs.js';
import type { CompiledTemplate, ValueProblem } from './compiled-template.js';
import { describeSchema, shown } from './describe-schema.js';
import type { Reference, TasksScope } from './expression.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { isNestedWithin } from './nesting.js';
import { parameterSchema } from './parameters-schema.js';
import { preparedTemplate } from './prepared-template.js';
import { isTooLarge } from './render.js';
import { pathText, problemAt, startsWith } from './schema-check.js';
import { validateParameters, type Parameters } from './validate-parameters.js';
import {
  expressionsOf,
  fill,
  FillError,
  valueTree,
  type ExpressionPlace,
  type ValueTree,
} from './value-tree.js';

/** Parameters of a task in a workflow, as far as they can be judged before the tasks that they read have ended. */
export type EarlyParameters =
  | {
      readonly ok: true;
      readonly parameters: Parameters;
      /** Parameters that wait for other tasks. */
      readonly late: ReadonlySet<string>;
      /** Names of the tasks that they read. */
      readonly uses: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly ValueProblem[] };

export type FilledParameters =
  | { readonly ok: true; readonly parameters: Parameters }
  | { readonly ok: false; readonly failure: Failure };

/**
 * Checks the parameters of a task whose expressions may read `readable` tasks. What stands in an expression is checked when it is
 * filled in; what decides a placement must be known now.
 */
export const checkEarly = (
  template: CompiledTemplate,
  parameters: Parameters,
  readable: ReadonlySet<string>,
): EarlyParameters => {
  if (!isNestedWithin(parameters, TEMPLATE_LIMITS.depth)) {
    const deep = validateParameters(template, parameters);
    if (!deep.ok) return deep;
  }
  const problems: ValueProblem[] = [];
  const tree = valueTree(parameters, (path, message) =>
    problems.push(
      at(
        path,
        parameters,
        `is not an expression: ${message}`,
        'an expression such as {{ tasks.draft.result.text }}',
      ),
    ),
  );
  const places = expressionsOf(tree);
  for (const place of places) {
    for (const reference of place.expression.references) {
      const problem = referenceProblem(place, reference, readable);
      if (problem) problems.push(problem);
    }
    const text = textProblem(template, place);
    if (text) problems.push(text);
  }
  const late = new Set(places.flatMap(({ path: [name] }) => name ?? []));
  problems.push(...placementProblems(template, late));
  problems.push(...knownProblems(template, parameters, places));
  if (problems.length > 0) return { ok: false, problems };
  const uses = new Set(
    places.flatMap(({ expression }) => expression.references.flatMap(([, name]) => name ?? [])),
  );
  return { ok: true, parameters: withDefaults(template, parameters), late, uses: [...uses] };
};

/** Fills in what other tasks made, and checks all of it. Parameters without expressions come back as they are. */
export const fillParameters = (
  template: CompiledTemplate,
  parameters: Parameters,
  tasks: TasksScope,
): FilledParameters => {
  const tree = treeOf(parameters);
  if (tree.kind === 'constant') return { ok: true, parameters };
  let filled: Parameters;
  try {
    filled = fill(tree, { parameters: {}, steps: {}, tasks }) as Parameters;
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    const place = pathText('parameters', error.path);
    return failed('TEMPLATE_RENDER_FAILED', `${place}: ${error.message} in '${error.source.slice(0, 160)}'`);
  }
  if (isTooLarge(filled)) {
    const most = TEMPLATE_LIMITS.filledBytes;
    return failed(
      'PARAMETERS_INVALID',
      `The filled-in parameters have more than ${most} bytes; at most that many are accepted.`,
    );
  }
  const checked = validateParameters(template, filled);
  if (checked.ok) return checked;
  const said = checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return failed(
    'PARAMETERS_INVALID',
    `The filled-in parameters do not fit: ${said}`.slice(0, MESSAGE_MAX_CHARS),
    {
      problems: checked.problems,
    },
  );
};

/** Whether a reference reads one of these parameters, or all of them. */
export const readsOneOf = ([root, name]: Reference, parameters: ReadonlySet<string>): boolean =>
  root === 'parameters' && (name === undefined || name === null || parameters.has(name));

/** A message is read by people; the full list is in the details. */
const MESSAGE_MAX_CHARS = 2000;

const trees = new WeakMap<Parameters, ValueTree>();

/** Expressions were parsed when the workflow was submitted; one that does not parse now stays as it stands. */
const treeOf = (parameters: Parameters): ValueTree => {
  const known = trees.get(parameters);
  if (known) return known;
  const made = valueTree(parameters, () => undefined);
  trees.set(parameters, made);
  return made;
};

const referenceProblem = (
  { path, expression }: ExpressionPlace,
  reference: Reference,
  readable: ReadonlySet<string>,
): ValueProblem | null => {
  const [root, name, field] = reference;
  const text = referenceText(reference);
  const names = [...readable].slice(0, NAMES_MAX).join(', ') || 'none: this task needs no other';
  const problem = (message: string, accepted: string): ValueProblem =>
    at(path, expression.source, `${text}: ${message}; accepted: ${accepted}`, accepted);
  if (root !== 'tasks')
    return problem('there is no such name here', 'tasks.<name>.result, tasks.<name>.status');
  if (name === undefined || name === null || !readable.has(name))
    return problem('this task does not wait for such a task', names);
  return field === 'result' || field === 'status'
    ? null
    : problem('a task only has its result and status', `tasks.${name}.result, tasks.${name}.status`);
};

/** Names listed in an error. */
const NAMES_MAX = 20;

/** Text around an expression makes text of it, whatever it gives: nothing else is accepted then as a whole parameter. */
const textProblem = (
  template: CompiledTemplate,
  { path, expression }: ExpressionPlace,
): ValueProblem | null => {
  const [name = '', ...deeper] = path;
  const spec = template.parameters[name];
  if (!spec || deeper.length > 0 || spec.type === 'string' || spec.type === 'any') return null;
  if (/^\{\{(?:(?!\}\}).)*\}\}$/s.test(expression.source)) return null;
  const accepted = describeSchema(parameterSchema(spec));
  return at(path, expression.source, `this gives text; expected ${accepted}`, accepted);
};

const placementProblems = (
  template: CompiledTemplate,
  late: ReadonlySet<string>,
): readonly ValueProblem[] => {
  const found = new Map<string, ValueProblem>();
  for (const { step, type, input } of preparedTemplate(template).steps.values()) {
    if (type?.needs !== 'model') continue;
    for (const { path, expression } of expressionsOf(input)) {
      if (!decidesPlacement(path)) continue;
      for (const name of late) {
        if (!expression.references.some((reference) => readsOneOf(reference, new Set([name])))) continue;
        const message = `it decides where step '${step.id}' runs (${pathText('', path)}), so it cannot wait for other tasks; expected a value that is known now`;
        found.set(name, at([name], null, message, 'a value without expressions'));
      }
    }
  }
  return [...found.values()];
};

/** What the schema says, less what only looks wrong because it is not filled in yet. */
const knownProblems = (
  template: CompiledTemplate,
  parameters: Parameters,
  places: readonly ExpressionPlace[],
): readonly ValueProblem[] =>
  preparedTemplate(template)
    .checkParameters(parameters)
    .filter(
      ({ segments, composite, unknownField }) =>
        unknownField === true ||
        !places.some(({ path }) => startsWith(segments, path) || (composite && startsWith(path, segments))),
    )
    .map((problem) => problemAt(pathText('parameters', problem.segments), problem));

const withDefaults = (template: CompiledTemplate, parameters: Parameters): Parameters => {
  const missing = Object.entries(template.parameters).filter(
    ([name, { default: preset }]) => preset !== undefined && !Object.hasOwn(parameters, name),
  );
  return {
    ...parameters,
    ...Object.fromEntries(missing.map(([name, { default: preset }]) => [name, preset])),
  };
};

const at = (path: readonly string[], value: unknown, message: string, accepted: string): ValueProblem => ({
  path: pathText('parameters', path),
  ...(typeof value === 'string' ? { value: shown(value) } : {}),
  message,
  accepted,
});

const failed = (
  code: Failure['code'],
  message: string,
  details?: Readonly<Record<string, unknown>>,
): FilledParameters => ({ ok: false, failure: { code, message, ...(details ? { details } : {}) } });
