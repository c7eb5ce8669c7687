/**
 * A template that passed every check, as plain JSON: it travels in `cmd.template`, stands in `template.registered`, and is
 * all that is needed to plan and fill in the steps of a task for as long as the log exists.
 */
export type CompiledTemplate = {
  readonly name: string;
  /** Hash of everything else here: equal content has an equal version, wherever it was compiled. */
  readonly version: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, ParameterSpec>>;
  /** JSON Schema (2020-12) of the parameters. */
  readonly parametersSchema: JsonSchema;
  readonly steps: readonly TemplateStep[];
  /** They run when all steps have ended, however they did. Absent in templates without. */
  readonly finally?: readonly TemplateStep[];
  /** As the author wrote it: what those may take together. */
  readonly finally_timeout?: string;
  /** What the task results in, with expressions; null means the last step's output. */
  readonly output: unknown;
  /** Or named values, each held to its type. Absent in templates without. */
  readonly outputs?: Readonly<Record<string, OutputSpec>>;
};

export type JsonSchema = Readonly<Record<string, unknown>>;

export const PARAMETER_TYPES = ['string', 'integer', 'number', 'boolean', 'array', 'object', 'any'] as const;
export type ParameterType = (typeof PARAMETER_TYPES)[number];

/** A parameter as the author wrote it, and as `GET /templates/{name}` shows it. */
export type ParameterSpec = {
  readonly type: ParameterType;
  readonly description?: string;
  readonly required?: boolean;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** Characters of a string or items of an array. */
  readonly min_length?: number;
  readonly max_length?: number;
  readonly pattern?: string;
  readonly items?: ParameterSpec;
  /** Named fields of an object; no others are accepted. Absent: any object. */
  readonly properties?: Readonly<Record<string, ParameterSpec>>;
};

/** A named output. Null stands for one that is not there, unless it is `required`. */
export type OutputSpec = Omit<ParameterSpec, 'default'> & {
  /** With expressions. */
  readonly value: unknown;
};

export type TemplateStep = {
  readonly id: string;
  readonly type: string;
  readonly needs: readonly string[];
  readonly retry: {
    readonly attempts_max: number;
    readonly backoff_ms: number;
    /** Classes and codes of errors, as the author wrote them. */
    readonly on?: readonly string[];
  };
  /** One expression; the step is left out where it is false or null when all that it needs is over. */
  readonly when?: string;
  /** A list, or one expression that gives one: the step runs once for each of its items, `concurrency` of them at once. */
  readonly foreach?: unknown;
  readonly concurrency?: number;
  /** Absent: the task fails when the step has failed for good. */
  readonly on_failure?: 'continue';
  /** Durations as the author wrote them: the longest that one attempt may take, and that nothing may be heard of it. */
  readonly timeout?: string;
  readonly no_progress?: string;
  /** Of a type of others: what it holds while it runs; absent: a CPU slot. */
  readonly slot?: 'model';
  /** Of a type of others, where no worker serves it: `fail`, or a duration after which it fails; absent: it waits. */
  readonly plugin_missing?: string;
  /** Input of the step type, with expressions. */
  readonly with: Readonly<Record<string, unknown>>;
};

/** What is wrong in a template's text, and where. */
export type TemplateProblem = {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Such as `steps[1].with.prompt`. */
  readonly path: string;
  /** Names the value and what is accepted. */
  readonly message: string;
};

/** What is wrong with a value that was given, and what would be right. */
export type ValueProblem = {
  /** Such as `parameters.options.num_ctx`. */
  readonly path: string;
  /** The value, shortened where it is long; absent when nothing was given. */
  readonly value?: unknown;
  readonly message: string;
  readonly accepted: string;
};
