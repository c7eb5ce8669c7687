import type { Failure } from '#libs/domain/errors.js';
import { itemRefOf, ITEMS_BYTES_MAX, type ItemsOutput } from '#libs/domain/task/items.js';
import type { SecretUse } from '#libs/domain/task/step-secrets.js';
import type { CompiledTemplate, ValueProblem } from './compiled-template.js';
import { ExpressionError } from './expression-error.js';
import type { Expression, Scope } from './expression.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { preparedTemplate, type PreparedStep, type PreparedTemplate } from './prepared-template.js';
import { pathText, problemAt, type SchemaProblem } from './schema-check.js';
import { expressionsOf, fill, FillError, type ValueTree } from './value-tree.js';

/** What expressions can read: the parameters of the task, and how its steps ended that are over. */
export type RenderContext = Scope;

type NotRendered = { readonly ok: false; readonly failure: Failure };

export type RenderedStep =
  | {
      readonly ok: true;
      readonly input: Readonly<Record<string, unknown>>;
      /** Where references to secrets stand in it. */
      readonly uses: readonly SecretUse[];
    }
  | { readonly ok: false; readonly failure: Failure };

export type RenderedResult =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: Failure };

/** Fills in the input of one step, or of an item of it, and checks it. Called for every dispatch: a constant input costs a look-up. */
export const renderStep = (
  template: CompiledTemplate,
  stepId: string,
  context: RenderContext,
): RenderedStep => {
  const step = preparedTemplate(template).steps.get(itemRefOf(stepId)?.of ?? stepId);
  if (step === undefined) return failed('STEP_INPUT_INVALID', noSuchStep(template, stepId));
  const { type, check } = step;
  if (type === null || check === null) {
    return failed(
      'STEP_TYPE_UNKNOWN',
      `${placeOf(template, stepId)}: '${step.step.type}' is not a step type of this version`,
    );
  }
  return renderPrepared(template, step, context);
};

export type DecidedCondition =
  | { readonly ok: true; readonly holds: boolean }
  | { readonly ok: false; readonly failure: Failure };

/** Whether a step of which all needs are over is to run. The same whenever it is asked for. */
export const decideCondition = (
  template: CompiledTemplate,
  stepId: string,
  context: RenderContext,
): DecidedCondition => {
  const { steps, notGiven } = preparedTemplate(template);
  const condition = steps.get(stepId)?.condition;
  if (!condition?.holds) return { ok: true, holds: true };
  const tooLarge = itemsTooLarge(template, `steps.${stepId}.when`, [condition], context);
  if (tooLarge) return tooLarge;
  try {
    return { ok: true, holds: condition.holds(withMissing(notGiven, context)) };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const unfilled = new FillError([], condition.source, error.message);
    return failed('TEMPLATE_RENDER_FAILED', fillMessage(template.name, `steps.${stepId}.when`, unfilled));
  }
};

/**
 * Makes the result of a task whose steps are over. Without `output` and `outputs` in its template it is what the last one gave that
 * completed; an output that is not of its type is a failure.
 */
export const renderResult = (template: CompiledTemplate, context: RenderContext): RenderedResult => {
  const { output, outputs, notGiven } = preparedTemplate(template);
  if (template.output === null && template.outputs === undefined) {
    const last = template.steps.findLast(({ id }) => context.steps[id]?.status === 'completed');
    return { ok: true, result: (last && context.steps[last.id]?.output) ?? null };
  }
  for (const [at, tree] of [['output', output] as const, ...treesOf(outputs)]) {
    const tooMuch = itemsTooLarge(template, at, expressionsIn(tree), context);
    if (tooMuch) return tooMuch;
  }
  const scope = withMissing(notGiven, context);
  let place = 'output';
  const named: Record<string, unknown> = {};
  try {
    if (template.outputs !== undefined)
      for (const [name, { value }] of outputs) {
        place = `outputs.${name}`;
        named[name] = fill(value, scope);
      }
    const result = template.outputs === undefined ? fill(output, scope) : named;
    if (isTooLarge(result))
      return failed(
        'OUTPUT_TOO_LARGE',
        `template '${template.name}', output: the filled-in result ${TOO_LARGE}`,
      );
    return outputsChecked(template, result);
  } catch (error) {
    return failed('TEMPLATE_RENDER_FAILED', fillMessage(template.name, place, error));
  }
};

const treesOf = (outputs: PreparedTemplate['outputs']): readonly (readonly [string, ValueTree])[] =>
  [...outputs].map(([name, { value }]) => [`outputs.${name}`, value]);

const outputsChecked = (template: CompiledTemplate, result: unknown): RenderedResult => {
  const problems = [...preparedTemplate(template).outputs].flatMap(([name, { check, isRequired }]) => {
    const value = (result as Readonly<Record<string, unknown>>)[name];
    // What was left out or has failed gives null.
    if (value === null && !isRequired) return [];
    return check(value).map((problem) => problemAt(pathText(`outputs.${name}`, problem.segments), problem));
  });
  if (problems.length === 0) return { ok: true, result };
  const said = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return failed('VALUE_REFUSED', `template '${template.name}', ${said}`.slice(0, MESSAGE_MAX_CHARS), {
    problems,
  });
};

/** What a step runs for; that it is a list is for the caller to see. */
export const renderForeach = (
  template: CompiledTemplate,
  stepId: string,
  tree: ValueTree,
  context: RenderContext,
): { readonly ok: true; readonly value: unknown } | NotRendered => {
  const base = `steps.${stepId}.foreach`;
  const tooLarge = itemsTooLarge(template, base, expressionsIn(tree), context);
  if (tooLarge) return tooLarge;
  try {
    return { ok: true, value: fill(tree, withMissing(preparedTemplate(template).notGiven, context)) };
  } catch (error) {
    return failed('TEMPLATE_RENDER_FAILED', fillMessage(template.name, base, error));
  }
};

export const renderPrepared = (
  template: CompiledTemplate,
  step: PreparedStep,
  context: RenderContext,
): RenderedStep => {
  const { id } = step.step;
  // A constant input was checked when the template was compiled.
  if (step.input.kind === 'constant')
    return { ok: true, input: step.input.value as Readonly<Record<string, unknown>>, uses: [] };
  const tooMuch = itemsTooLarge(template, `steps.${id}.with`, expressionsIn(step.input), context);
  if (tooMuch) return tooMuch;
  let input: unknown;
  const uses: SecretUse[] = [];
  try {
    input = fill(step.input, withMissing(preparedTemplate(template).notGiven, context), uses);
  } catch (error) {
    return failed('TEMPLATE_RENDER_FAILED', fillMessage(template.name, `steps.${id}.with`, error));
  }
  if (isTooLarge(input))
    return failed('STEP_INPUT_INVALID', `${placeOf(template, id)}: the filled-in input ${TOO_LARGE}`);
  const problems = step.check?.(input) ?? [];
  if (problems.length === 0) return { ok: true, input: input as Readonly<Record<string, unknown>>, uses };
  return inputInvalid(template, step, problems);
};

const expressionsIn = (tree: ValueTree): readonly Expression[] =>
  expressionsOf(tree).map(({ expression }) => expression);

/** Where an expression reads the items of a step that gave more than is kept for that: an error of its own, and not a name that is unknown. */
const itemsTooLarge = (
  template: CompiledTemplate,
  place: string,
  expressions: readonly Expression[],
  context: RenderContext,
): NotRendered | null => {
  for (const { references, source } of expressions) {
    for (const [root, id, field, deeper] of references) {
      if (root !== 'steps' || field !== 'output' || (deeper !== 'items' && deeper !== null)) continue;
      const { output, status } = context.steps[id ?? ''] ?? { status: 'skipped', output: null };
      const isList = allSteps(template).find((step) => step.id === id)?.foreach !== undefined;
      if (!isList || status !== 'completed' || 'items' in (output as ItemsOutput)) continue;
      const { bytes, total } = output as ItemsOutput;
      return failed(
        'OUTPUT_TOO_LARGE',
        `template '${template.name}', ${place}: the ${total} items of step '${id}' have ${bytes} bytes together in '${source.slice(0, 160)}'; up to ${ITEMS_BYTES_MAX} can be read by expressions`,
        { bytes, maxBytes: ITEMS_BYTES_MAX },
      );
    }
  }
  return null;
};

const inputInvalid = (
  template: CompiledTemplate,
  { step, input }: PreparedStep,
  found: readonly SchemaProblem[],
): RenderedStep => {
  const problems = found.map((problem) => sourceOf(input, `steps.${step.id}.with`, problem));
  const sentence = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return failed(
    'STEP_INPUT_INVALID',
    `${placeOf(template, step.id)}: ${sentence}`.slice(0, MESSAGE_MAX_CHARS),
    { problems },
  );
};

const TOO_LARGE = `has more than ${TEMPLATE_LIMITS.filledBytes} bytes; at most that many are accepted`;

/** A character takes up to six bytes in JSON; only what may be too large by that is written out to be measured. */
export const isTooLarge = (value: unknown): boolean =>
  charactersOf(value) > TEMPLATE_LIMITS.filledBytes / 6 &&
  Buffer.byteLength(JSON.stringify(value)) > TEMPLATE_LIMITS.filledBytes;

/** By a stack of its own: the output of a step may nest as deeply as a model likes. */
const charactersOf = (value: unknown): number => {
  let characters = 0;
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    // The longest number has 24 characters.
    characters += typeof next === 'string' ? next.length + 4 : 24;
    if (typeof next !== 'object' || next === null) continue;
    for (const [name, item] of Object.entries(next)) {
      characters += name.length;
      open.push(item);
    }
  }
  return characters;
};

/** A message is read by people; the full list is in the details. */
const MESSAGE_MAX_CHARS = 2000;

/** A value that came unchanged from a parameter is the parameter's fault: its path is what the client can mend. */
const sourceOf = (tree: ValueTree, base: string, problem: SchemaProblem): ValueProblem => {
  const { segments } = problem;
  const place = expressionsOf(tree).find(({ path }) => path.every((segment, n) => segments[n] === segment));
  const plain = place?.expression.plain;
  if (!place || !plain || plain[0] !== 'parameters') return problemAt(pathText(base, segments), problem);
  return problemAt(pathText('', [...plain.map(String), ...segments.slice(place.path.length)]), problem);
};

/** A declared parameter that was not given is null, so that expressions can ask for it. */
export const withMissing = (
  notGiven: Readonly<Record<string, null>>,
  context: RenderContext,
): RenderContext => ({
  ...context,
  parameters: { ...notGiven, ...context.parameters },
});

const placeOf = (template: CompiledTemplate, stepId: string): string =>
  `template '${template.name}', step '${stepId}'`;

const noSuchStep = (template: CompiledTemplate, stepId: string): string =>
  `template '${template.name}' has no step '${stepId}'; it has ${allSteps(template)
    .map(({ id }) => id)
    .join(', ')}`;

const allSteps = (template: CompiledTemplate): CompiledTemplate['steps'] => [
  ...template.steps,
  ...(template.finally ?? []),
];

const fillMessage = (template: string, base: string, error: unknown): string => {
  if (!(error instanceof FillError)) throw error;
  return `template '${template}', ${pathText(base, error.path)}: ${error.message} in '${error.source.slice(0, 160)}'`;
};

const failed = (
  code: Failure['code'],
  message: string,
  details?: Readonly<Record<string, unknown>>,
): NotRendered => ({
  ok: false,
  failure: { code, message, ...(details === undefined ? {} : { details }) },
});
