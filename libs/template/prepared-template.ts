import type { CompiledTemplate, OutputSpec, TemplateStep } from './compiled-template.js';
import { checkOf, isLate } from './check-inputs.js';
import { parseExpression, type Expression } from './expression.js';
import { parameterSchema } from './parameters-schema.js';
import { schemaCheck, type SchemaCheck } from './schema-check.js';
import { stepTypeOf, type StepType } from './step-types.js';
import { expressionsOf, valueTree, type ValueTree } from './value-tree.js';

/** A template with its expressions parsed and its checks compiled: the expensive part, once per template. */
export type PreparedTemplate = {
  /** In their order, those under `finally` last. */
  readonly steps: ReadonlyMap<string, PreparedStep>;
  readonly output: ValueTree;
  readonly outputs: ReadonlyMap<string, PreparedOutput>;
  readonly checkParameters: SchemaCheck;
  /** Null for every declared parameter: what expressions see of one that was not given. */
  readonly notGiven: Readonly<Record<string, null>>;
  /** Names of all secrets that its steps refer to. */
  readonly secrets: readonly string[];
};

export type PreparedOutput = {
  readonly value: ValueTree;
  readonly check: SchemaCheck;
  readonly isRequired: boolean;
};

export type PreparedStep = {
  readonly step: TemplateStep;
  /** It stands under `finally`. */
  readonly atEnd: boolean;
  /** Null for a type that this build does not know; the log may be older or newer than it. */
  readonly type: StepType | null;
  /** Whether the step runs; null for one that always does. */
  readonly condition: Expression | null;
  /** What its items are; null for a step that runs once. */
  readonly foreach: ValueTree | null;
  readonly input: ValueTree;
  readonly check: SchemaCheck | null;
  /** Nothing of the input depends on another step, on an item or on the end of the task, so it can be judged when the task is submitted. */
  readonly earlyInput: boolean;
};

const prepared = new WeakMap<CompiledTemplate, PreparedTemplate>();

/** Kept as long as the template itself is: whoever holds a template holds what was prepared from it. */
export const preparedTemplate = (template: CompiledTemplate): PreparedTemplate => {
  const known = prepared.get(template);
  if (known) return known;
  const steps = new Map([
    ...template.steps.map((step) => [step.id, preparedStep(step, false)] as const),
    ...(template.finally ?? []).map((step) => [step.id, preparedStep(step, true)] as const),
  ]);
  const made: PreparedTemplate = {
    steps,
    output: valueTree(template.output, refuse),
    outputs: new Map(
      Object.entries(template.outputs ?? {}).map(([name, spec]) => [name, preparedOutput(spec)]),
    ),
    checkParameters: schemaCheck(template.parametersSchema),
    notGiven: Object.fromEntries(Object.keys(template.parameters).map((name) => [name, null])),
    secrets: secretsOf([...steps.values()]),
  };
  prepared.set(template, made);
  return made;
};

const preparedOutput = ({ value, ...spec }: OutputSpec): PreparedOutput => ({
  value: valueTree(value, refuse),
  check: schemaCheck(parameterSchema(spec)),
  isRequired: spec.required === true,
});

const secretsOf = (steps: readonly PreparedStep[]): readonly string[] => {
  const references = steps.flatMap(({ input }) =>
    expressionsOf(input).flatMap(({ expression }) => (expression.place ? expression.references : [])),
  );
  return [...new Set(references.flatMap(([root, name]) => (root === 'secrets' && name ? [name] : [])))];
};

const preparedStep = (step: TemplateStep, atEnd: boolean): PreparedStep => {
  const type = stepTypeOf(step) ?? null;
  const input = valueTree(step.with, refuse);
  return {
    step,
    atEnd,
    type,
    condition: step.when === undefined ? null : parseExpression(step.when),
    foreach: step.foreach === undefined ? null : valueTree(step.foreach, refuse),
    input,
    check: type && checkOf(type),
    earlyInput: expressionsOf(input).every(({ expression }) =>
      expression.references.every((reference) => !isLate(reference)),
    ),
  };
};

/** Expressions were parsed when the template was compiled; one that does not parse now reaches the task as it stands. */
const refuse = (): void => undefined;
