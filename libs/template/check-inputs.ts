import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import { authoredCheck } from './authored-schema.js';
import type { JsonSchema, OutputSpec, ParameterSpec } from './compiled-template.js';
import { plainSecrets, secretProblems } from './check-secrets.js';
import type { CheckedStep } from './check-steps.js';
import { describeSchema, shown } from './describe-schema.js';
import type { Reference } from './expression.js';
import { RUNNER_OPTION_NAMES } from './ollama-options.schema.js';
import { parameterSchema } from './parameters-schema.js';
import { pathText, schemaCheck, startsWith, type SchemaCheck } from './schema-check.js';
import { didYouMean } from './suggest.js';
import { stepTypeOf, type StepType } from './step-types.js';
import { waitingProblems } from './waiting-input.js';
import { expressionsOf, valueTree, type ExpressionPlace } from './value-tree.js';
import type { Path, YamlSource } from './yaml-source.js';

type Declared = Readonly<Record<string, ParameterSpec>>;

/** Steps that an expression may read; `own`: the one in which it stands. */
type Readable = {
  readonly steps: ReadonlySet<string>;
  readonly own?: string;
  /** Whether there is an item to read. */
  readonly ofItem?: boolean;
  /** Whether it is known how all other steps of the task have ended. */
  readonly ofTask?: boolean;
};

/** Checks of `with` and `output`: what their expressions read, and whether their literals fit the step type. */
export class InputChecks {
  /** Parameters that something reads. */
  readonly #read = new Set<string>();
  /** An expression reads them by a name that is computed, or all of them at once. */
  #readsAny = false;

  constructor(
    private readonly source: YamlSource,
    private readonly parameters: Declared,
    private readonly stepIds: readonly string[],
    private readonly atEndIds: readonly string[] = [],
  ) {}

  step({ step, path, ancestors, atEnd = false }: CheckedStep): void {
    const { with: input, when, foreach } = step;
    const scope: Readable = { steps: ancestors, own: step.id, ofTask: atEnd };
    if (when !== undefined) this.#condition([...path, 'when'], when, scope);
    if (foreach !== undefined) this.#list([...path, 'foreach'], foreach, scope);
    const at: Path = [...path, 'with'];
    const stepType = stepTypeOf(step);
    const places = this.#expressions(at, input, { ...scope, ofItem: foreach !== undefined }, stepType);
    if (stepType === undefined) return;
    for (const { path: deeper, message } of plainSecrets(input, places, stepType))
      this.source.problem([...at, ...deeper], message);
    this.#literals(at, input, checkOf(stepType), places);
    for (const place of places) this.#typeOf(at, place, stepType.input);
    if (stepType.needs === 'model') this.#placement(at, places);
    this.#schemas(at, input, stepType, places);
    if (stepType.needs === 'nothing') this.#waiting(at, input, stepType, places);
  }

  /** What only a waiting has to do with; its schema stands there as it is, because who answers is held to what was judged. */
  #waiting(
    at: Path,
    input: CheckedStep['step']['with'],
    { name, schemaFields = [], literalFields = [] }: StepType,
    places: readonly ExpressionPlace[],
  ): void {
    for (const { field, message } of waitingProblems(name as WaitingKind, input))
      this.source.problem([...at, ...field.split('.')], message);
    for (const { path } of places)
      if ([...schemaFields, ...literalFields, 'default'].includes(path[0] ?? ''))
        this.source.problem([...at, ...path], 'an expression is not accepted here; expected a literal value');
  }

  output(value: unknown): void {
    this.#expressions(['output'], value, { steps: new Set(this.stepIds) });
  }

  outputs(outputs: Readonly<Record<string, OutputSpec>>): void {
    for (const [name, { value, ...spec }] of Object.entries(outputs)) {
      const at: Path = ['outputs', name, 'value'];
      const places = this.#expressions(at, value, { steps: new Set(this.stepIds) });
      const schema = parameterSchema(spec);
      if (value !== null) this.#literals(at, value, schemaCheck(schema), places);
      for (const place of places) this.#typeOf(at, place, schema);
    }
  }

  /** Call it last: whoever gives a parameter expects it to make a difference. */
  unused(): void {
    if (this.#readsAny) return;
    for (const name of Object.keys(this.parameters)) {
      if (this.#read.has(name)) continue;
      const accepted = `{{ parameters.${name} }} in a step or in output, or no such declaration`;
      this.source.warning(['parameters', name], `nothing reads it; accepted: ${accepted}`, 'key');
    }
  }

  /** Text around an expression makes text of it, which is true whatever it says. */
  #condition(at: Path, when: string, readable: Readable): void {
    const [place] = this.#expressions(at, when, readable);
    if (place && place.expression.holds === null)
      this.source.problem(
        at,
        `${shown(when)} gives text, which is always true; expected one {{ expression }} and nothing around it`,
      );
  }

  /** Text around an expression makes text of it, which is no list. */
  #list(at: Path, foreach: unknown, readable: Readable): void {
    const [place] = this.#expressions(at, foreach, readable);
    if (place && place.path.length === 0 && !isWhole(place.expression.source))
      this.source.problem(
        at,
        `${shown(foreach)} gives text; expected one {{ expression }} that gives a list and nothing around it`,
      );
  }

  #expressions(
    at: Path,
    value: unknown,
    readable: Readable,
    type: StepType | null = null,
  ): readonly ExpressionPlace[] {
    const tree = valueTree(value, (path, message, offset) =>
      this.source.problem([...at, ...path], message, offset ?? 'value'),
    );
    const places = expressionsOf(tree);
    for (const { path, expression } of places) {
      if (this.source.isFull) break;
      for (const [n, reference] of expression.references.entries()) {
        const wrong = this.#reference(reference, readable);
        if (wrong === null) continue;
        const said = `${referenceText(reference)}: ${wrong}`;
        this.source.problem([...at, ...path], said, expression.offsets[n] ?? 'value');
      }
    }
    for (const { path, message } of secretProblems(places, type))
      this.source.problem([...at, ...path], message);
    return places;
  }

  /** What is wrong with a name that an expression reads; null for nothing. */
  #reference(reference: Reference, { steps, own, ofItem, ofTask }: Readable): string | null {
    const [root, name, ...fields] = reference;
    if (ofItem === true && isOfItem(reference)) return null;
    if (root === 'parameters') return this.#parameter(name);
    // Where they may stand depends on the type of the step.
    if (root === 'secrets') return null;
    if (root === 'task' && ofTask) return outcomeProblem(name, fields);
    if (root !== 'steps')
      return `there is no such name${didYouMean(root, ROOTS)}; accepted: parameters.<name>, steps.<id>.output, steps.<id>.status, steps.<id>.error${isOfItem(reference) ? ', and item and index under `with` of a step with foreach' : ''}${root === 'task' ? ", and task.status and task.error in steps under 'finally'" : ''}`;
    const names = [...steps];
    if (name && !own && this.atEndIds.includes(name))
      return `'${name}' runs when the output is made already; accepted: ${names.join(', ')}`;
    if (name && !ofTask && this.atEndIds.includes(name))
      return `'${name}' stands under 'finally', and runs when all of these have ended; accepted: ${names.join(', ') || 'none here'}`;
    if (name === undefined || name === null || !(this.stepIds.includes(name) || this.atEndIds.includes(name)))
      return `there is no such step${didYouMean(name, names)}; accepted: ${names.join(', ') || 'none here'}`;
    if (name === own)
      return `a step cannot read of itself what is not there before it has ended; accepted: ${names.join(', ') || 'none here'}`;
    if (!steps.has(name))
      return `this step does not wait for '${name}'; accepted: ${names.join(', ') || 'none'}; put '${name}' into needs to wait for it`;
    return fieldProblem(`steps.${name}`, fields);
  }

  #parameter(name: Reference[number] | undefined): string | null {
    if (name === undefined || name === null) {
      this.#readsAny = true;
      return null;
    }
    this.#read.add(name);
    if (Object.hasOwn(this.parameters, name)) return null;
    const names = Object.keys(this.parameters);
    return `there is no such parameter${didYouMean(name, names)}; accepted: ${names.join(', ') || 'none are declared'}`;
  }

  /** What Ajv says about the input, less what only looks wrong because it is not filled in yet. */
  #literals(at: Path, input: unknown, check: SchemaCheck, places: readonly ExpressionPlace[]): void {
    for (const { segments, message, composite } of check(input)) {
      const open = places.some(
        ({ path }) => startsWith(segments, path) || (composite && startsWith(path, segments)),
      );
      if (!open) this.source.problem([...at, ...segments], message);
    }
  }

  /** A parameter of a type that its field never accepts is a mistake in the template, not in some later task. */
  #typeOf(at: Path, { path, expression }: ExpressionPlace, input: JsonSchema): void {
    const [root, name, ...deeper] = expression.plain ?? [];
    const declared =
      root === 'parameters' && name && deeper.length === 0 ? this.parameters[name]?.type : undefined;
    const given = expression.plain === null && !isWhole(expression.source) ? 'string' : declared;
    if (given === 'any') return;
    const schema = schemaAt(input, path);
    if (given === undefined || schema === null || acceptsType(schema, given)) return;
    const what = declared === undefined ? 'this gives text' : `parameters.${name} is of type ${declared}`;
    this.source.problem([...at, ...path], `${what}; expected ${describeSchema(schema)}`);
  }

  /** A JSON Schema that stands there as it is can be judged now. */
  #schemas(
    at: Path,
    input: CheckedStep['step']['with'],
    type: StepType,
    places: readonly ExpressionPlace[],
  ): void {
    for (const field of type.schemaFields ?? []) {
      const schema = input[field];
      if (typeof schema !== 'object' || places.some(({ path }) => path[0] === field)) continue;
      const compiled = authoredCheck(schema);
      if (!compiled.ok) this.source.problem([...at, field], compiled.message);
    }
  }

  /** Where a step can run is decided when the task is submitted, so it must follow from the parameters. */
  #placement(at: Path, places: readonly ExpressionPlace[]): void {
    for (const { path, expression } of places) {
      const late = expression.references.find(isLate);
      if (!decidesPlacement(path) || late === undefined) continue;
      const message = `${referenceText(late)}: the model and its runner options decide where the step runs; accepted: parameters.<name> or a literal`;
      this.source.problem([...at, ...path], message);
    }
  }
}

const ROOTS = ['parameters', 'steps'];
const STEP_FIELDS = ['output', 'status', 'error'];

const OUTCOME_FIELDS = ['status', 'error'];
const OUTCOME_ACCEPTED = 'task.status, task.error.code, task.error.message, task.error.step';

/** What a step at the end reads of how all others have ended. */
const outcomeProblem = (name: Reference[number] | undefined, [field]: Reference): string | null => {
  if (name === undefined || name === null || !OUTCOME_FIELDS.includes(name))
    return `a task only has its status and error here${didYouMean(name, OUTCOME_FIELDS)}; accepted: ${OUTCOME_ACCEPTED}`;
  const isKnown = field === undefined || (name === 'error' && field !== null && ERROR_FIELDS.includes(field));
  return isKnown ? null : `an error only has its code, message and step; accepted: ${OUTCOME_ACCEPTED}`;
};

const ERROR_FIELDS = ['code', 'message', 'step'];

const fieldProblem = (step: string, [field, deeper]: Reference): string | null => {
  if (field === 'error' && deeper !== undefined && deeper !== 'code' && deeper !== 'message')
    return `an error only has its code and message; accepted: ${step}.error.code, ${step}.error.message`;
  if (field !== undefined && field !== null && STEP_FIELDS.includes(field)) return null;
  return `a step only has its output, status and error${didYouMean(field, STEP_FIELDS)}; accepted: ${step}.output, ${step}.status, ${step}.error`;
};

/** Whether this place in the input of a model step is its model or an option by which loaded models differ. */
export const decidesPlacement = ([field, option]: readonly string[]): boolean =>
  field === 'model' || (field === 'options' && (option === undefined || RUNNER_OPTION_NAMES.has(option)));

/** Whether it reads what is not known before the step is to run: other steps, its item, or how its task has ended. */
export const isLate = (reference: Reference): boolean =>
  reference[0] === 'steps' || reference[0] === 'task' || isOfItem(reference);

/** Whether it reads the item that a step with `foreach` runs for. */
export const isOfItem = ([root]: Reference): boolean => root === 'item' || root === 'index';

const checks = new Map<string, SchemaCheck>();

/** The check of a step type's input, made once. */
export const checkOf = (type: StepType): SchemaCheck => {
  const known = checks.get(type.name);
  if (known) return known;
  const made = schemaCheck(type.input);
  checks.set(type.name, made);
  return made;
};

export const referenceText = (reference: Reference): string =>
  pathText(
    '',
    reference.map((segment) => segment ?? '[…]'),
  ).slice(0, 160);

/** The whole text is one `{{ }}`, so its value keeps its type. */
const isWhole = (source: string): boolean => /^\{\{(?:(?!\}\}).)*\}\}$/s.test(source);

/** The part of a schema that a path leads to; null where it leads into the open. */
const schemaAt = (schema: JsonSchema, path: readonly string[]): JsonSchema | null => {
  const [segment, ...rest] = path;
  if (segment === undefined) return schema;
  const properties = schema['properties'] as Readonly<Record<string, JsonSchema>> | undefined;
  const items = schema['items'] as JsonSchema | undefined;
  const next = properties?.[segment] ?? (/^\d+$/.test(segment) ? items : undefined);
  return next ? schemaAt(next, rest) : null;
};

const acceptsType = (schema: JsonSchema, type: string): boolean => {
  const branches = schema['anyOf'] as readonly JsonSchema[] | undefined;
  if (branches) return branches.some((branch) => acceptsType(branch, type));
  const values = 'const' in schema ? [schema['const']] : (schema['enum'] as readonly unknown[] | undefined);
  if (values) return values.some((value) => typeof value === (type === 'integer' ? 'number' : type));
  const accepted = schema['type'];
  const number = type === 'integer' || type === 'number';
  return (
    accepted === undefined ||
    accepted === type ||
    (number && (accepted === 'integer' || accepted === 'number'))
  );
};
