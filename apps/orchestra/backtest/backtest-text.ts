import type { Backtest } from '#libs/simulation/backtest/backtest.js';
import type { Measures } from '#libs/simulation/backtest/measures.js';
import type { WaitsMs } from '#libs/simulation/metrics.js';
import { columns } from '../output.js';

/** The result for people: a column for each of the three, and what the change changes. */
export const backtestLines = (found: Backtest): readonly string[] => [
  `${timeText(found.fromMs)} to ${timeText(found.toMs)} UTC: ${counted(found.tasks, 'task')}, ${found.openAtStart} of them open at the start`,
  '',
  ...columns(rowsOf(found)),
  '',
  ...notesOf(found).map((note) => `- ${note}`),
];

type Cell = (measures: Measures) => string;
type Amount = (measures: Measures) => number;

const rowsOf = ({ asItWas, replayed, changed }: Backtest): readonly (readonly string[])[] => {
  const all = [asItWas, replayed, changed];
  const row = (name: string, cell: Cell, amount?: Amount): readonly string[] => [
    name,
    ...all.map(cell),
    amount ? changeText(amount(replayed), amount(changed)) : '',
  ];
  const waits = (name: string, of: (measures: Measures) => WaitsMs | undefined): readonly string[] =>
    row(
      name,
      (measures) => waitsText(of(measures)),
      (measures) => of(measures)?.p95 ?? 0,
    );
  const named = (part: 'waitsMsByPriority' | 'workspaces'): readonly string[] => [
    ...new Set(all.flatMap((measures) => Object.keys(measures[part]))),
  ];
  const priorities = named('waitsMsByPriority').toSorted((a, b) => Number(b) - Number(a));
  return [
    ['', 'as it was', 'replayed', 'changed', 'changed against replayed'],
    row('tasks ended', endedText, ({ tasks }) => tasks.all - tasks.open),
    row(
      'makespan, s',
      ({ makespanMs }) => seconds(makespanMs),
      ({ makespanMs }) => makespanMs,
    ),
    row(
      'model loads',
      ({ loads }) => String(loads),
      ({ loads }) => loads,
    ),
    row(
      'GPU busy share',
      ({ busyShare }) => percent(busyShare),
      ({ busyShare }) => busyShare,
    ),
    row('deadlines kept', deadlinesText, ({ deadlines }) => deadlines.kept),
    row(
      'steps not started',
      ({ stepsNotStarted }) => String(stepsNotStarted),
      ({ stepsNotStarted }) => stepsNotStarted,
    ),
    ['wait, s', ...all.map(() => 'p50 / p95 / p99 / max'), 'p95'],
    waits('  all steps', ({ waitsMs }) => waitsMs),
    ...priorities.map((priority) =>
      waits(`  priority ${priority}`, ({ waitsMsByPriority }) => waitsMsByPriority[priority]),
    ),
    ...named('workspaces').map((name) => waits(`  ${name}`, ({ workspaces }) => workspaces[name]?.waitsMs)),
    ['service', ...all.map(() => 'GPU s x share of memory'), ''],
    ...named('workspaces').map((name) =>
      row(
        `  ${name}`,
        ({ workspaces }) =>
          `${seconds(workspaces[name]?.serviceMs ?? 0)} (${percent(workspaces[name]?.serviceShare ?? 0)})`,
        ({ workspaces }) => workspaces[name]?.serviceMs ?? 0,
      ),
    ),
  ];
};

const endedText: Cell = ({ tasks }) => {
  const { all, open, failed, cancelled } = tasks;
  const how = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(cancelled > 0 ? [`${cancelled} cancelled`] : []),
  ];
  return `${all - open} of ${all}${how.length > 0 ? ` (${how.join(', ')})` : ''}`;
};

const deadlinesText: Cell = ({ deadlines: { kept, missed, pending } }) =>
  kept + missed + pending === 0
    ? '-'
    : `${kept} of ${kept + missed}${pending > 0 ? `, ${pending} to come` : ''}`;

const waitsText = (waits: WaitsMs | undefined): string =>
  waits === undefined ? '-' : [waits.p50, waits.p95, waits.p99, waits.max].map(seconds).join(' / ');

const seconds = (ms: number): string => (ms / 1_000).toFixed(ms < 10_000 ? 2 : 1);
const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** In percent; where there was nothing, that there is something now. */
const changeText = (before: number, after: number): string => {
  if (before === after) return '=';
  if (before === 0) return 'from 0';
  const change = Math.round((after / before - 1) * 100);
  return `${change < 0 ? '-' : '+'}${Math.abs(change)} %`;
};

const timeText = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** What the numbers do not tell, so that nobody takes them for more than they are. */
export const notesOf = ({ leftOut }: Pick<Backtest, 'leftOut'>): readonly string[] => {
  const { lostAttempts, failedLoads, estimatedSteps, guessedSizes } = leftOut;
  return [
    '"replayed" is the same policy in the simulation: what differs from "as it was" is the error of the model.',
    'All of it is of the tasks that were open at the start or submitted in the window, until they are over; what was submitted later is in no replay.',
    'Tasks come, are cancelled, are moved and change their priority when they did; nobody submits other work because of other waits.',
    'An attempt takes what it took, corrected for what ran beside it by the batching of the simulation; on a server where its model was not seen, as long as where it was.',
    'Attempts that failed by themselves fail again. Servers that were away are away again. The time of the platform itself between a free slot and a start is left out.',
    ...(lostAttempts > 0
      ? [`${counted(lostAttempts, 'attempt')} lost with an executor or a server: not lost again.`]
      : []),
    ...(failedLoads > 0
      ? [`${counted(failedLoads, 'load')} that failed: again only for models that never loaded.`]
      : []),
    ...(estimatedSteps > 0
      ? [`${counted(estimatedSteps, 'step')} never seen to the end: what is usual for the model.`]
      : []),
    ...(guessedSizes.length > 0
      ? [
          `Never seen with the slots of a server on which they were loaded here: ${guessedSizes.slice(0, 10).join(', ')}; they take the most that they took elsewhere, or nothing where they were never loaded.`,
        ]
      : []),
  ];
};
