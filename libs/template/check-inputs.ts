import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import { authoredCheck } from './authored-schema.js';
import type { JsonSchema, ParameterSpec } from './compiled-template.js';
import type { CheckedStep } from './check-steps.js';
import { describeSchema, shown } from './describe-schema.js';
import type { Reference } from './expression.js';
import { RUNNER_OPTION_NAMES } from './ollama-options.schema.js';
import { pathText, schemaCheck, startsWith, type SchemaCheck } from './schema-check.js';
import { STEP_TYPES, type StepType } from './step-types.js';
import { waitingProblems } from './waiting-input.js';
import { expressionsOf, valueTree, type ExpressionPlace } from './value-tree.js';
import type { Path, YamlSource } from './yaml-source.js';

type Declared = Readonly<Record<string, ParameterSpec>>;

/** Checks of `with` and `output`: what their expressions read, and whether their literals fit the step type. */
export class InputChecks {
  constructor(
    private readonly source: YamlSource,
    private readonly parameters: Declared,
    private readonly stepIds: readonly string[],
  ) {}

  step({ step, path, ancestors }: CheckedStep): void {
    const { with: input, type, when } = step;
    if (when !== undefined) this.#condition([...path, 'when'], when, ancestors);
    const at: Path = [...path, 'with'];
    const places = this.#expressions(at, input, ancestors);
    const stepType = STEP_TYPES.get(type);
    if (stepType === undefined) return;
    this.#literals(at, input, stepType, places);
    for (const place of places) this.#typeOf(at, place, stepType);
    if (stepType.needs === 'model') this.#placement(at, places);
    this.#schemas(at, input, stepType, places);
    if (stepType.needs === 'nothing') this.#waiting(at, input, stepType, places);
  }

  /** What only a waiting has to do with; its schema stands there as it is, because who answers is held to what was judged. */
  #waiting(
    at: Path,
    input: CheckedStep['step']['with'],
    { name, schemaFields = [] }: StepType,
    places: readonly ExpressionPlace[],
  ): void {
    for (const { field, message } of waitingProblems(name as WaitingKind, input))
      this.source.problem([...at, ...field.split('.')], message);
    for (const { path } of places)
      if (schemaFields.includes(path[0] ?? '') || path[0] === 'default')
        this.source.problem([...at, ...path], 'an expression is not accepted here; expected a literal value');
  }

  output(value: unknown): void {
    this.#expressions(['output'], value, new Set(this.stepIds));
  }

  /** Text around an expression makes text of it, which is true whatever it says. */
  #condition(at: Path, when: string, ancestors: ReadonlySet<string>): void {
    const [place] = this.#expressions(at, when, ancestors);
    if (place && place.expression.holds === null)
      this.source.problem(
        at,
        `${shown(when)} gives text, which is always true; expected one {{ expression }} and nothing around it`,
      );
  }

  #expressions(at: Path, value: unknown, readable: ReadonlySet<string>): readonly ExpressionPlace[] {
    const tree = valueTree(value, (path, message) => this.source.problem([...at, ...path], message));
    const places = expressionsOf(tree);
    for (const { path, expression } of places) {
      for (const reference of expression.references) this.#reference([...at, ...path], reference, readable);
    }
    return places;
  }

  #reference(at: Path, reference: Reference, readable: ReadonlySet<string>): void {
    const [root, name, ...fields] = reference;
    const text = referenceText(reference);
    if (root === 'parameters') {
      if (name === undefined || (name !== null && Object.hasOwn(this.parameters, name))) return;
      const names = Object.keys(this.parameters).join(', ') || 'none are declared';
      this.source.problem(at, `${text}: there is no such parameter; accepted: ${names}`);
    } else if (root !== 'steps') {
      this.source.problem(
        at,
        `${text}: there is no such name; accepted: parameters.<name>, steps.<id>.output, steps.<id>.status, steps.<id>.error`,
      );
    } else if (name === undefined || name === null || !this.stepIds.includes(name)) {
      this.source.problem(
        at,
        `${text}: there is no such step; accepted: ${[...readable].join(', ') || 'none here'}`,
      );
    } else if (!readable.has(name)) {
      const accepted = [...readable].join(', ') || `none; put '${name}' into needs`;
      this.source.problem(at, `${text}: this step does not wait for '${name}'; accepted: ${accepted}`);
    } else {
      this.#field(at, text, name, fields);
    }
  }

  #field(at: Path, text: string, name: string, [field, deeper]: Reference): void {
    const step = `steps.${name}`;
    if (field === 'error' && deeper !== undefined && deeper !== 'code' && deeper !== 'message')
      this.source.problem(
        at,
        `${text}: an error only has its code and message; accepted: ${step}.error.code, ${step}.error.message`,
      );
    if (field === 'output' || field === 'status' || field === 'error') return;
    this.source.problem(
      at,
      `${text}: a step only has its output, status and error; accepted: ${step}.output, ${step}.status, ${step}.error`,
    );
  }

  /** What Ajv says about the input, less what only looks wrong because it is not filled in yet. */
  #literals(at: Path, input: unknown, type: StepType, places: readonly ExpressionPlace[]): void {
    for (const { segments, message, composite } of checkOf(type)(input)) {
      const open = places.some(
        ({ path }) => startsWith(segments, path) || (composite && startsWith(path, segments)),
      );
      if (!open) this.source.problem([...at, ...segments], message);
    }
  }

  /** A parameter of a type that its field never accepts is a mistake in the template, not in some later task. */
  #typeOf(at: Path, { path, expression }: ExpressionPlace, type: StepType): void {
    const [root, name, ...deeper] = expression.plain ?? [];
    const declared =
      root === 'parameters' && name && deeper.length === 0 ? this.parameters[name]?.type : undefined;
    const given = expression.plain === null && !isWhole(expression.source) ? 'string' : declared;
    if (given === 'any') return;
    const schema = schemaAt(type.input, path);
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
      const late = expression.references.find(([root]) => root === 'steps');
      if (!decidesPlacement(path) || late === undefined) continue;
      const message = `${referenceText(late)}: the model and its runner options decide where the step runs; accepted: parameters.<name> or a literal`;
      this.source.problem([...at, ...path], message);
    }
  }
}

/** Whether this place in the input of a model step is its model or an option by which loaded models differ. */
export const decidesPlacement = ([field, option]: readonly string[]): boolean =>
  field === 'model' || (field === 'options' && (option === undefined || RUNNER_OPTION_NAMES.has(option)));

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
