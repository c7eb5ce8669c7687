import { durationMsOf } from '#libs/domain/duration.js';
import { isPluginType, PLUGIN_TYPE_ACCEPTED } from '#libs/domain/plugin-type.js';
import { checkNeeds, withAncestors, type Others, type Placed } from './check-needs.js';
import { shown } from './describe-schema.js';
import { hasExpression } from './expression.js';
import { FieldChecks, type Mapping } from './field-checks.js';
import { noAttempts } from './no-attempts.js';
import {
  CHILD_RETRY_DEFAULT,
  FOREACH_LIMITS,
  RETRY_DEFAULT,
  RETRY_LIMITS,
  STEP_TIME_LIMITS,
  TEMPLATE_LIMITS,
} from './limits.js';
import { didYouMean } from './suggest.js';
import { STEP_TYPES } from './step-types.js';
import { RETRY_ON_ACCEPTED, retryCodesOf, whyNotRetried } from '#libs/domain/retry-classes.js';
import type { TemplateStep } from './compiled-template.js';
import type { Path, YamlSource } from './yaml-source.js';

const STEP_KEYS = [
  'id',
  'type',
  'needs',
  'when',
  'foreach',
  'concurrency',
  'retry',
  'on_failure',
  'timeout',
  'no_progress',
  'slot',
  'plugin_missing',
  'with',
];
const RETRY_KEYS = ['attempts_max', 'backoff_ms', 'on'];
const STEP_ID = /^[a-z][a-z0-9_-]{0,62}$/;
const STEP_ID_ACCEPTED = 'a lower-case letter, then up to 62 lower-case letters, digits, _ and -';

/** A step with the steps that it needs, directly or through others. */
export type CheckedStep = Placed & {
  readonly ancestors: ReadonlySet<string>;
  /** It runs when all others have ended. */
  readonly atEnd?: boolean;
};

/** Checks the steps but not what stands under `with`. */
export const checkSteps = (value: unknown, atEnd: unknown, source: YamlSource): readonly CheckedStep[] =>
  checkList({ name: 'steps', value, before: new Set(), after: new Set(idsIn(atEnd)) }, source);

/** As they are written: what is wrong there is told there. */
const idsIn = (value: unknown): readonly string[] =>
  Array.isArray(value)
    ? value.flatMap((step: unknown) => {
        const id = (step as Mapping | null)?.['id'];
        return typeof id === 'string' ? [id] : [];
      })
    : [];

/** Checks those that run when all `steps` have ended. What they need is among themselves: they wait for all others anyway. */
export const checkFinally = (
  value: unknown,
  steps: readonly CheckedStep[],
  source: YamlSource,
): readonly CheckedStep[] => {
  if (value === undefined) return [];
  const ids = new Set(steps.map(({ step }) => step.id));
  return checkList({ name: 'finally', value, before: ids, after: new Set() }, source).map((checked) => ({
    ...checked,
    ancestors: new Set([...ids, ...checked.ancestors]),
    atEnd: true,
  }));
};

/** One of the two lists; `before` and `after`: ids of the other one, where its steps run before or after these. */
type StepList = Others & { readonly name: 'steps' | 'finally'; readonly value: unknown };

const checkList = ({ name, value, before, after }: StepList, source: YamlSource): readonly CheckedStep[] => {
  const check = new FieldChecks(source);
  const list = check.list([name], value, 'a list of steps, each with id and type');
  if (list === null) return [];
  const most = TEMPLATE_LIMITS.steps - before.size;
  if (list.length === 0 || list.length > most) {
    const otherwise = name === 'finally' ? `, or no 'finally'` : '';
    source.problem([name], `there are ${list.length} steps; accepted: 1 to ${most}${otherwise}`);
    return [];
  }
  const seen = new Set(before);
  const steps: Placed[] = [];
  for (const [n, item] of list.entries()) {
    const step = oneStep([name, n], item, steps.at(-1)?.step.id, source, check);
    if (step === null) continue;
    if (seen.has(step.id))
      source.problem([name, n, 'id'], `${shown(step.id)} is the id of an earlier step; ids are unique`);
    if (name === 'finally' && STEP_TYPES.get(step.type)?.needs === 'nothing')
      source.problem(
        [name, n, 'type'],
        `a step of type ${shown(step.type)} waits, and would hold up the end of its task; accepted: a step that runs`,
      );
    seen.add(step.id);
    steps.push({ step, path: [name, n] });
  }
  checkNeeds(steps, source, { before, after });
  return withAncestors(steps);
};

const oneStep = (
  path: Path,
  value: unknown,
  previous: string | undefined,
  source: YamlSource,
  check: FieldChecks,
): TemplateStep | null => {
  const fields = check.mapping(
    path,
    value,
    'a step such as {id: answer, type: ollama_generate, with: {...}}',
  );
  if (fields === null) return null;
  check.knownKeys(path, fields, STEP_KEYS);
  if (STEP_TYPES.get(String(fields['type']))?.needs === 'nothing') noAttempts(path, fields, source);
  const id = check.text([...path, 'id'], fields['id'], STEP_ID, STEP_ID_ACCEPTED);
  const type = fields['type'];
  if (typeof type !== 'string' || !(STEP_TYPES.has(type) || isPluginType(type))) {
    const types = [...STEP_TYPES.keys()];
    const found = type === undefined ? 'is missing' : `${shown(type)} is not a step type`;
    const accepted = `${types.join(', ')}, or ${PLUGIN_TYPE_ACCEPTED}`;
    source.problem([...path, 'type'], `${found}${didYouMean(type, types)}; accepted: ${accepted}`);
  }
  const needs = fields['needs'] === undefined ? (previous === undefined ? [] : [previous]) : fields['needs'];
  const list = check.list([...path, 'needs'], needs, 'a list of step ids');
  const input =
    fields['with'] === undefined
      ? {}
      : check.mapping([...path, 'with'], fields['with'], 'the input of the step, as an object');
  const retry =
    type === 'task' && fields['retry'] === undefined
      ? CHILD_RETRY_DEFAULT
      : retryOf([...path, 'retry'], fields['retry'], source, check);
  const when = conditionOf([...path, 'when'], fields['when'], source);
  const goesOn = goesOnAfter([...path, 'on_failure'], fields['on_failure'], source);
  if (id === null) return null;
  return {
    id,
    type: String(type),
    needs: (list ?? []) as readonly string[],
    retry,
    ...(when === null ? {} : { when }),
    ...foreachOf(path, fields, source, check),
    ...(goesOn ? { on_failure: 'continue' } : {}),
    ...timesOf(path, fields, source, check),
    ...pluginFields({ path, type: String(type), fields }, source, check),
    with: input ?? {},
  };
};

const timesOf = (
  path: Path,
  fields: Mapping,
  source: YamlSource,
  check: FieldChecks,
): Pick<TemplateStep, 'timeout' | 'no_progress'> => {
  const { minMs, maxMs } = STEP_TIME_LIMITS;
  const timeout = check.duration([...path, 'timeout'], fields['timeout'], minMs, maxMs);
  const silence = check.duration([...path, 'no_progress'], fields['no_progress'], minMs, maxMs);
  if (timeout !== null && silence !== null && (durationMsOf(silence) ?? 0) >= (durationMsOf(timeout) ?? 0))
    source.problem(
      [...path, 'no_progress'],
      `${shown(silence)} would never pass before timeout ${shown(timeout)} does; accepted: a shorter one`,
    );
  return {
    ...(timeout === null ? {} : { timeout }),
    ...(silence === null ? {} : { no_progress: silence }),
  };
};

type Written = { readonly path: Path; readonly type: string; readonly fields: Mapping };

/** Fields that only a step type of others has. */
const pluginFields = (
  { path, type, fields }: Written,
  source: YamlSource,
  check: FieldChecks,
): Pick<TemplateStep, 'slot' | 'plugin_missing'> => {
  const { slot, plugin_missing: missing } = fields;
  for (const key of isPluginType(type) ? [] : ['slot', 'plugin_missing'])
    if (fields[key] !== undefined)
      source.problem([...path, key], `only a step type of others has '${key}'; accepted: no ${key} here`);
  if (slot !== undefined && slot !== 'cpu' && slot !== 'model')
    source.problem([...path, 'slot'], `${shown(slot)} is not accepted; expected cpu or model`);
  const { workerMinMs, maxMs } = STEP_TIME_LIMITS;
  const waits = missing === undefined || missing === 'wait';
  const limit =
    waits || missing === 'fail'
      ? missing
      : check.duration([...path, 'plugin_missing'], missing, workerMinMs, maxMs);
  return {
    ...(slot === 'model' ? { slot } : {}),
    ...(waits || typeof limit !== 'string' ? {} : { plugin_missing: limit }),
  };
};

const FOREACH_ACCEPTED = `a list, or one expression in quotes that gives one, such as "{{ parameters.urls }}"`;

/** What the expression reads is checked with those of the input. */
const foreachOf = (
  path: Path,
  { foreach, concurrency }: Mapping,
  source: YamlSource,
  check: FieldChecks,
): Pick<TemplateStep, 'foreach' | 'concurrency'> => {
  if (foreach === undefined) {
    if (concurrency !== undefined)
      source.problem([...path, 'concurrency'], 'says how many items run at once, and there is no foreach');
    return {};
  }
  if (!Array.isArray(foreach) && !(typeof foreach === 'string' && hasExpression(foreach)))
    source.problem([...path, 'foreach'], `${shown(foreach)} is not accepted; expected ${FOREACH_ACCEPTED}`);
  if (Array.isArray(foreach) && foreach.length > FOREACH_LIMITS.items)
    source.problem(
      [...path, 'foreach'],
      `there are ${foreach.length} items; accepted: up to ${FOREACH_LIMITS.items}`,
    );
  const { concurrency: most, concurrencyDefault } = FOREACH_LIMITS;
  return {
    foreach,
    concurrency: check.integer([...path, 'concurrency'], concurrency, 1, most, concurrencyDefault),
  };
};

const CONDITION_ACCEPTED = `one expression in quotes, such as "{{ steps.draft.status == 'completed' }}"`;

/** What the expression reads is checked with those of the input. */
const conditionOf = (path: Path, value: unknown, source: YamlSource): string | null => {
  if (value === undefined || (typeof value === 'string' && hasExpression(value))) return value ?? null;
  source.problem(path, `${shown(value)} is not accepted; expected ${CONDITION_ACCEPTED}`);
  return null;
};

const goesOnAfter = (path: Path, value: unknown, source: YamlSource): boolean => {
  if (value !== undefined && value !== 'fail' && value !== 'continue')
    source.problem(
      path,
      `${shown(value)} is not accepted${didYouMean(value, ['fail', 'continue'])}; expected fail or continue`,
    );
  return value === 'continue';
};

const retryOf = (
  path: Path,
  value: unknown,
  source: YamlSource,
  check: FieldChecks,
): TemplateStep['retry'] => {
  if (value === undefined) return RETRY_DEFAULT;
  const fields = check.mapping(path, value, 'an object such as {attempts_max: 3, backoff_ms: 1000}');
  if (fields === null) return RETRY_DEFAULT;
  check.knownKeys(path, fields, RETRY_KEYS);
  const { attempts_max: attempts, backoff_ms: backoff } = RETRY_DEFAULT;
  return {
    attempts_max: check.integer(
      [...path, 'attempts_max'],
      fields['attempts_max'],
      1,
      RETRY_LIMITS.attemptsMax,
      attempts,
    ),
    backoff_ms: check.integer(
      [...path, 'backoff_ms'],
      fields['backoff_ms'],
      0,
      RETRY_LIMITS.backoffMs,
      backoff,
    ),
    ...(fields['on'] === undefined ? {} : { on: retryOn([...path, 'on'], fields['on'], source, check) }),
  };
};

/** Classes and codes of errors that are retried; each once, and such as another attempt may mend. */
const retryOn = (path: Path, value: unknown, source: YamlSource, check: FieldChecks): readonly string[] => {
  const accepted = `accepted: ${RETRY_ON_ACCEPTED}`;
  const list = check.list(path, value, `a list of classes and codes of errors; ${accepted}`) ?? [];
  if (Array.isArray(value) && list.length === 0)
    source.problem(path, `the list is empty; for no retry set attempts_max to 1; ${accepted}`);
  for (const [n, name] of list.entries()) {
    const at = [...path, n];
    if (typeof name !== 'string' || retryCodesOf(name) === null) {
      const why = typeof name === 'string' ? whyNotRetried(name) : 'is no text';
      source.problem(at, `${shown(name)} ${why}; ${accepted}`);
    } else if (list.indexOf(name) < n)
      source.problem(at, `${shown(name)} stands there twice; once is enough`);
  }
  return list as readonly string[];
};
