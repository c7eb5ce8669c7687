import type { ParameterSpec, TemplateStep } from '#libs/template/compiled-template.js';
import type { DryRun, DryStep } from '#libs/template/dry-run.js';
import type { TemplateDifference } from '#libs/template/template-diff.js';
import { columns, type Output } from '../output.js';
import type { LintReport } from './lint.js';

/** A template as the API shows it. */
export type ShownTemplate = {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, ParameterSpec>>;
  readonly steps: readonly TemplateStep[];
  readonly finally?: readonly TemplateStep[];
  readonly finally_timeout?: string;
  readonly output: unknown;
  readonly outputs?: Readonly<Record<string, ParameterSpec>>;
};

export type ShownVersion = {
  readonly number: number;
  readonly version: string;
  readonly registered_at: string;
  readonly current: boolean;
};

/** A line of a terminal; longer values are cut, `--json` has them whole. */
const VALUE_MAX_CHARS = 96;

export const valueText = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= VALUE_MAX_CHARS ? text : `${text.slice(0, VALUE_MAX_CHARS - 1)}…`;
};

export const templateLines = (template: ShownTemplate, out: Output): readonly string[] => [
  `${out.colour('bold', template.name)}  ${template.version}`,
  ...(template.description === '' ? [] : [`  ${template.description}`]),
  ...section('parameters', declarationRows(template.parameters)),
  'steps',
  ...columns(template.steps.map(stepRow)).map((line) => `  ${line}`),
  ...section(`finally, at most ${template.finally_timeout}`, (template.finally ?? []).map(stepRow)),
  ...(template.outputs === undefined
    ? section('output', template.output === null ? [] : [[valueText(template.output)]])
    : section('outputs', declarationRows(template.outputs))),
];

const section = (title: string, rows: readonly (readonly string[])[]): readonly string[] =>
  rows.length === 0 ? [] : [title, ...columns(rows).map((line) => `  ${line}`)];

const declarationRows = (specs: Readonly<Record<string, ParameterSpec>>): readonly string[][] =>
  Object.entries(specs).map(
    ([name, { type, required, default: preset, enum: allowed, description = '' }]) => {
      const limits = [
        ...(required === true ? ['required'] : []),
        ...(preset === undefined ? [] : [`default ${valueText(preset)}`]),
        ...(allowed === undefined ? [] : [`one of ${valueText(allowed)}`]),
      ];
      return [name, type, limits.join(', '), description];
    },
  );

const stepRow = ({ id, type, needs, when, foreach }: TemplateStep): readonly string[] => [
  id,
  type,
  needs.length === 0 ? '' : `after ${needs.join(', ')}`,
  [
    ...(when === undefined ? [] : [`when ${when}`]),
    ...(foreach === undefined ? [] : [`for each of ${valueText(foreach)}`]),
  ].join('  '),
];

/** The graph of a dry run: steps by their stages, each with its input as far as it is known. */
export const dryRunLines = (run: DryRun, out: Output): readonly string[] => [
  `${out.colour('bold', run.name)}  ${run.version}`,
  ...Object.entries(run.parameters).map(([name, value]) => `  ${name}: ${valueText(value)}`),
  '',
  ...stagesOf(run.steps).flatMap((steps) => stageLines(steps, out)),
  ...(run.result === null ? [] : [`result: ${valueText(run.result)}`]),
];

const stagesOf = (steps: readonly DryStep[]): readonly (readonly DryStep[])[] => {
  const stages: DryStep[][] = [];
  for (const step of steps.toSorted((a, b) => a.stage - b.stage)) {
    if (stages.at(-1)?.[0]?.stage === step.stage) stages.at(-1)?.push(step);
    else stages.push([step]);
  }
  return stages;
};

const stageLines = (steps: readonly DryStep[], out: Output): readonly string[] =>
  steps.flatMap((step, n) => {
    const isLast = n === steps.length - 1;
    const number = n === 0 ? String(step.stage).padStart(3) : '   ';
    const branch = steps.length === 1 ? '──' : n === 0 ? '┬─' : isLast ? '└─' : '├─';
    const below = isLast ? '    ' : '   │';
    const details = detailsOf(step).map((line) => ` ${below}     ${line}`);
    const child = childLines(step.child, out).map((line) => ` ${below}     ${line}`);
    return [`${number} ${branch} ${out.colour('bold', step.id)}  ${stepText(step)}`, ...details, ...child];
  });

/** The graph of the task that a step submits, or only the names of its steps where its parameters are not known yet. */
const childLines = (child: DryStep['child'], out: Output): readonly string[] => {
  if (child === undefined) return [];
  const { run, version, steps } = child;
  if (run !== null) return dryRunLines(run, out);
  return version === null ? [] : [`${child.template}  ${version}: ${steps.join(', ')}`];
};

const stepText = (step: DryStep): string => {
  const { type, slot, foreach, needs, on_failure: onFailure, timeout } = step;
  return [
    type,
    slotText(slot),
    ...(foreach === undefined
      ? []
      : [`for each of ${foreach.items ?? 'a list'}, ${foreach.concurrency} at once`]),
    ...(needs.length === 0 ? [] : [`after ${needs.join(', ')}`]),
    ...(step.finally ? ['in any case, at the end'] : []),
    ...(timeout === undefined ? [] : [`at most ${timeout}`]),
    ...(onFailure === undefined ? [] : ['may fail']),
  ].join('  ');
};

const slotText = (slot: DryStep['slot']): string => {
  if (slot === null) return 'waits';
  return slot.kind === 'cpu' ? 'CPU slot' : [slot.model, ...optionTexts(slot.options)].join(' ');
};

const optionTexts = (options: Readonly<Record<string, unknown>>): readonly string[] =>
  Object.entries(options).map(([name, value]) => `${name}=${String(value)}`);

const detailsOf = ({ when, input }: DryStep): readonly string[] => {
  const fields = Object.entries(input ?? {}).map(([name, value]) => `${name}: ${valueText(value)}`);
  if (when === undefined) return fields;
  const said = {
    true: 'holds',
    false: 'does not hold: the step is left out',
    null: 'is decided when it is due',
  };
  return [`when ${when.expression} (${said[`${when.holds}`]})`, ...fields];
};

export const diffLines = (changes: readonly TemplateDifference[], out: Output): readonly string[] =>
  changes.flatMap(({ path, kind, before, after }) => [
    `${out.colour('bold', path)} ${kind}`,
    ...(kind === 'added' ? [] : [out.colour('red', `  - ${valueText(before)}`)]),
    ...(kind === 'removed' ? [] : [out.colour('green', `  + ${valueText(after)}`)]),
  ]);

export const versionLines = (items: readonly ShownVersion[]): readonly string[] =>
  columns(
    items.map(({ number, version, registered_at: at, current }) => [
      `@${number}`,
      version,
      at,
      current ? 'current' : '',
    ]),
  );

/** As compilers write it, so that editors find the place. */
export const findingLines = ({ findings }: LintReport, out: Output): readonly string[] =>
  findings.map(
    ({ file, line, column, severity, message }) =>
      `${file}:${line}:${column}: ${out.colour(severity === 'error' ? 'red' : 'yellow', severity)}: ${message}`,
  );

export const lintSummary = ({ files, errors, warnings }: LintReport): string =>
  `${counted(files, 'template')}, ${counted(errors, 'error')}, ${counted(warnings, 'warning')}`;

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
