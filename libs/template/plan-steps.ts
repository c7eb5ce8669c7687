import type { ErrorCode, Failure } from '#libs/domain/errors.js';
import { durationMsOf } from '#libs/domain/duration.js';
import type { ModelProfile, RunnerOptions } from '#libs/domain/gpu/profile.js';
import { retryCodesOf } from '#libs/domain/retry-classes.js';
import type { Requirement } from '#libs/domain/task/requirement.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { WAITING_KINDS, type WaitingKind } from '#libs/domain/task/waiting-events.js';
import { isLate } from './check-inputs.js';
import { childRefOf } from './child-ref.js';
import type { CompiledTemplate } from './compiled-template.js';
import { listItems, type ListedItems } from './foreach.js';
import { FINALLY_LIMITS, FOREACH_LIMITS, STEP_TIME_LIMITS } from './limits.js';
import { preparedTemplate, type PreparedStep } from './prepared-template.js';
import { readsOneOf } from './late-parameters.js';
import { renderPrepared, type RenderedStep } from './render.js';
import type { Parameters } from './validate-parameters.js';
import { expressionsOf, type ValueTree } from './value-tree.js';

export type PlannedSteps =
  | { readonly ok: true; readonly steps: readonly StepSpec[] }
  | { readonly ok: false; readonly failure: Failure };

export type PlanDefaults = {
  /** Context window of a model whose template and task say nothing; always explicit, because a server's own default depends on its free VRAM. */
  readonly numCtx: number;
};

/** Fields of `with` that decide where a step runs. */
const PLACING_FIELDS: ReadonlySet<string> = new Set(['model', 'options']);

/**
 * What each step needs, from the parameters alone. An input that depends on no other step is filled in and checked here
 * too, so that a wrong one is refused at submission and not when its turn comes. `late` are parameters that are known only when
 * other tasks have ended; none of them decides a placement.
 */
export const planSteps = (
  template: CompiledTemplate,
  parameters: Parameters,
  defaults: PlanDefaults,
  late: ReadonlySet<string> = new Set(),
): PlannedSteps => {
  const steps: StepSpec[] = [];
  for (const prepared of preparedTemplate(template).steps.values()) {
    const requirement = requirementOf(template, prepared, { parameters, late }, defaults);
    if ('failure' in requirement) return { ok: false, failure: requirement.failure };
    const listed = earlyItems(template, prepared, { parameters, late });
    if (!listed.ok) return listed;
    const {
      id,
      type,
      needs,
      retry,
      when,
      foreach,
      concurrency = FOREACH_LIMITS.concurrencyDefault,
      on_failure: onFailure,
      timeout,
      no_progress: silence,
      plugin_missing: missing,
    } = prepared.step;
    steps.push({
      id,
      stepType: type,
      needs,
      requirement: requirement.requirement,
      retry: {
        attemptsMax: retry.attempts_max,
        backoffMs: retry.backoff_ms,
        ...(retry.on === undefined ? {} : { on: codesOf(retry.on) }),
      },
      ...(when === undefined ? {} : { conditional: true }),
      ...(foreach === undefined ? {} : { forEach: { concurrency } }),
      ...(onFailure === undefined ? {} : { onFailure }),
      ...(isWaitingKind(type) ? { waits: type } : {}),
      ...(prepared.atEnd ? { atEnd: { limitMs: atEndLimitMs(template) } } : {}),
      ...childOf(prepared.step, defaults),
      ...timesOf({ timeoutMs: timeout, noProgressMs: silence }),
      ...(missing === undefined ? {} : { workerWaitMs: workerWaitMsOf(missing) }),
    });
  }
  return { ok: true, steps };
};

/** `fail` is as soon as it can be known. */
const workerWaitMsOf = (missing: string): number =>
  Math.max(STEP_TIME_LIMITS.workerMinMs, Math.round(durationMsOf(missing) ?? 0));

/** A list that is known now is judged now, unless it may never be needed. */
const earlyItems = (
  template: CompiledTemplate,
  { step, foreach }: PreparedStep,
  { parameters, late }: Given,
) =>
  foreach === null || step.when !== undefined || readsSteps(foreach) || readsLate(foreach, late)
    ? NO_ITEMS
    : listItems(template, step.id, { parameters, steps: {} });

const NO_ITEMS: ListedItems = { ok: true, items: [] };

/** It was checked when the template was compiled. */
const atEndLimitMs = ({ finally_timeout: limit = FINALLY_LIMITS.default }: CompiledTemplate): number =>
  Math.round(durationMsOf(limit) ?? 0);

const isWaitingKind = (type: string): type is WaitingKind => WAITING_KINDS.some((kind) => kind === type);

const childOf = (step: PreparedStep['step'], { numCtx }: PlanDefaults): Pick<StepSpec, 'child'> => {
  const ref = childRefOf(step);
  return ref === null ? {} : { child: { ...ref, numCtx } };
};

/** Those that are there; they were checked when the template was compiled. */
const timesOf = (
  written: Readonly<Record<'timeoutMs' | 'noProgressMs', string | undefined>>,
): Pick<StepSpec, 'timeoutMs' | 'noProgressMs'> =>
  Object.fromEntries(
    Object.entries(written).flatMap(([name, text = '']) => {
      const ms = durationMsOf(text);
      return ms === null ? [] : [[name, Math.round(ms)]];
    }),
  );

/** In the order of the catalogue, each once: a class and a code of it may both be named. */
const codesOf = (names: readonly string[]): readonly ErrorCode[] => {
  const codes = new Set(names.flatMap((name) => retryCodesOf(name) ?? []));
  return (retryCodesOf('all') ?? []).filter((code) => codes.has(code));
};

type Given = { readonly parameters: Parameters; readonly late: ReadonlySet<string> };

type Found = { readonly requirement: Requirement } | { readonly failure: Failure };

const CPU: Requirement = { kind: 'cpu' };

const requirementOf = (
  template: CompiledTemplate,
  prepared: PreparedStep,
  given: Given,
  defaults: PlanDefaults,
): Found => {
  const isModel = prepared.type?.needs === 'model';
  const rendered = early(template, prepared, given, isModel);
  if (!rendered.ok) return { failure: rendered.failure };
  return { requirement: isModel ? { kind: 'model', profile: profileOf(rendered.input, defaults) } : CPU };
};

/** The whole input where it can be known; else, for a model, the fields that place it, checked as far as they go. */
const early = (
  template: CompiledTemplate,
  prepared: PreparedStep,
  { parameters, late }: Given,
  isModel: boolean,
): RenderedStep => {
  const context = { parameters, steps: {} };
  if (prepared.earlyInput && !readsLate(prepared.input, late))
    return renderPrepared(template, prepared, context);
  if (!isModel) return { ok: true, input: {}, uses: [] };
  const { check } = prepared;
  return renderPrepared(
    template,
    {
      ...prepared,
      input: placingFields(prepared.input, late),
      check: (input) =>
        (check?.(input) ?? []).filter(({ segments: [field] }) => PLACING_FIELDS.has(field ?? '')),
    },
    context,
  );
};

/** `options` may read other steps where they only sample; those of its fields wait. */
const placingFields = (input: ValueTree, late: ReadonlySet<string>): ValueTree => {
  if (input.kind !== 'object') return input;
  const fields = input.fields
    .filter(([name]) => PLACING_FIELDS.has(name))
    .map(([name, field]) => [name, name === 'options' ? withoutLate(field, late) : field] as const);
  return { kind: 'object', fields };
};

const withoutLate = (tree: ValueTree, late: ReadonlySet<string>): ValueTree =>
  tree.kind === 'object'
    ? {
        kind: 'object',
        fields: tree.fields.filter(([, field]) => !readsSteps(field) && !readsLate(field, late)),
      }
    : tree;

/** Whether anything of it is known only when the step is to run. */
const readsSteps = (tree: ValueTree): boolean =>
  expressionsOf(tree).some(({ expression }) => expression.references.some(isLate));

const readsLate = (tree: ValueTree, late: ReadonlySet<string>): boolean =>
  late.size > 0 &&
  expressionsOf(tree).some(({ expression }) =>
    expression.references.some((reference) => readsOneOf(reference, late)),
  );

const profileOf = (input: Readonly<Record<string, unknown>>, defaults: PlanDefaults): ModelProfile => {
  const given = (input['options'] ?? {}) as OllamaRunnerOptions;
  const options: RunnerOptions = {
    numCtx: given.num_ctx ?? defaults.numCtx,
    ...(given.num_batch === undefined ? {} : { numBatch: given.num_batch }),
    ...(given.num_gpu === undefined ? {} : { numGpu: given.num_gpu }),
    ...(given.main_gpu === undefined ? {} : { mainGpu: given.main_gpu }),
    ...(given.use_mmap === undefined ? {} : { useMmap: given.use_mmap }),
    ...(given.num_thread === undefined ? {} : { numThread: given.num_thread }),
  };
  return { model: input['model'] as string, options };
};

type OllamaRunnerOptions = {
  readonly num_ctx?: number;
  readonly num_batch?: number;
  readonly num_gpu?: number;
  readonly main_gpu?: number;
  readonly use_mmap?: boolean;
  readonly num_thread?: number;
};
