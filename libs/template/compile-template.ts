import { createHash } from 'node:crypto';
import { canonicalJson } from '#libs/domain/canonical.js';
import { checkOutputs, checkParameters } from './check-parameters.js';
import { checkFinally, checkSteps } from './check-steps.js';
import { InputChecks } from './check-inputs.js';
import type { CompiledTemplate, TemplateProblem } from './compiled-template.js';
import { shown } from './describe-schema.js';
import { FieldChecks, type Mapping } from './field-checks.js';
import { FINALLY_LIMITS, TEMPLATE_LIMITS } from './limits.js';
import { parametersSchema } from './parameters-schema.js';
import { YamlSource } from './yaml-source.js';

export type Compiled =
  /** `warnings`: what is no mistake, but hardly meant. */
  | {
      readonly ok: true;
      readonly template: CompiledTemplate;
      readonly warnings: readonly TemplateProblem[];
    }
  | { readonly ok: false; readonly problems: readonly TemplateProblem[] };

const KEYS = [
  'name',
  'description',
  'parameters',
  'steps',
  'output',
  'outputs',
  'finally',
  'finally_timeout',
];
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const NAME_ACCEPTED = '1 to 64 lower-case letters, digits and -';
const DESCRIPTION_MAX_CHARS = 4000;

/** 64 bits of the hash: two templates of one name with one version would need four thousand million of them. */
const VERSION_CHARS = 16;

/** From the text of a template to what services use, or everything that is wrong with it at once. */
export const compileTemplate = (text: string, file: string): Compiled => {
  const source = new YamlSource(text, file);
  if (source.problems.length > 0) return { ok: false, problems: source.problems };
  const check = new FieldChecks(source);
  const top = check.mapping([], source.value, 'an object with name and steps');
  if (top === null) return { ok: false, problems: source.problems };
  check.writable([], top);
  if (source.problems.length > 0) return { ok: false, problems: source.problems };

  check.knownKeys([], top, KEYS);
  const name = check.text(['name'], top['name'], NAME, NAME_ACCEPTED);
  const description = descriptionOf(top['description'], source);
  const parameters = checkParameters(top['parameters'], source);
  const steps = checkSteps(top['steps'], top['finally'], source);
  const atEnd = checkFinally(top['finally'], steps, source);
  const atEndTimeout = timeoutOf(top, check, source);
  // Declared ones count as known even when they are wrong themselves: one mistake, one message.
  const declared = { ...namesOf(top['parameters']), ...parameters };
  const inputs = new InputChecks(
    source,
    declared,
    steps.map(({ step }) => step.id),
    atEnd.map(({ step }) => step.id),
  );
  for (const step of [...steps, ...atEnd]) inputs.step(step);
  if (top['output'] !== undefined) inputs.output(top['output']);
  const outputs = checkOutputs(top['outputs'], source);
  if (outputs !== null) inputs.outputs(outputs);
  if (outputs !== null && top['output'] !== undefined)
    source.problem(['outputs'], 'there is an output, too; accepted: one of the two', 'key');
  inputs.unused();
  for (const { step, path } of steps)
    if (step.type === 'task' && name !== null && step.with['template'] === name)
      source.problem(
        [...path, 'with', 'template'],
        `${shown(name)} is this template, which would never end; accepted: another one`,
      );
  if (source.problems.length > 0 || name === null) {
    return { ok: false, problems: inPlace(source.problems) };
  }
  const content = {
    name,
    description,
    parameters,
    parametersSchema: parametersSchema(parameters),
    steps: steps.map(({ step }) => step),
    // Only where there are some: templates without keep the version that they have in the log.
    ...(atEnd.length === 0 ? {} : { finally: atEnd.map(({ step }) => step), finally_timeout: atEndTimeout }),
    output: top['output'] ?? null,
    ...(outputs === null ? {} : { outputs }),
  };
  const canonical = canonicalJson(content);
  const bytes = Buffer.byteLength(canonical);
  if (bytes > TEMPLATE_LIMITS.compiledBytes) {
    source.problem(
      [],
      `it has ${bytes} bytes when compiled; accepted: up to ${TEMPLATE_LIMITS.compiledBytes}`,
    );
    return { ok: false, problems: source.problems };
  }
  const version = createHash('sha256').update(canonical).digest('hex').slice(0, VERSION_CHARS);
  return { ok: true, template: { ...content, version }, warnings: inPlace(source.warnings) };
};

const timeoutOf = (top: Mapping, check: FieldChecks, source: YamlSource): string => {
  const { minMs, maxMs } = FINALLY_LIMITS;
  const timeout = check.duration(['finally_timeout'], top['finally_timeout'], minMs, maxMs);
  if (timeout !== null && top['finally'] === undefined)
    source.problem(
      ['finally_timeout'],
      "there is no 'finally' here that it could be about; accepted: both, or none",
      'key',
    );
  return timeout ?? FINALLY_LIMITS.default;
};

const inPlace = (problems: readonly TemplateProblem[]): readonly TemplateProblem[] =>
  problems.toSorted((a, b) => a.line - b.line || a.column - b.column);

const descriptionOf = (value: unknown, source: YamlSource): string => {
  if (value === undefined) return '';
  if (typeof value === 'string' && value.length <= DESCRIPTION_MAX_CHARS) return value;
  source.problem(
    ['description'],
    `${shown(value)} is not accepted; expected text of up to ${DESCRIPTION_MAX_CHARS} characters`,
  );
  return '';
};

const namesOf = (value: unknown): Readonly<Record<string, never>> =>
  typeof value === 'object' && value !== null
    ? (Object.fromEntries(Object.keys(value).map((name) => [name, {}])) as Readonly<Record<string, never>>)
    : {};
