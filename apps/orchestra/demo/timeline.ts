import type { TaskView } from '#libs/contracts/queries.js';

/** Columns of the drawn time. */
const WIDTH = 48;

/** From the start of a model load to its end, in milliseconds of the epoch. */
export type Span = { readonly fromMs: number; readonly toMs: number };

export type TimelineTask = {
  readonly name: string;
  readonly task: Pick<TaskView, 'id' | 'depends_on' | 'created_at' | 'started_at' | 'ended_at'>;
};

const MARKS = { waits: '·', loads: '▒', runs: '█' } as const;

/** Bars on one scale: when each task waited, when it waited for its model to be loaded, and when it ran. */
export const timeline = (tasks: readonly TimelineTask[], loads: readonly Span[]): readonly string[] => {
  const beginMs = Math.min(...tasks.map(({ task }) => Date.parse(task.created_at)));
  const endMs = Math.max(beginMs + 1, ...tasks.map(({ task }) => endOf(task, beginMs)));
  const stepMs = (endMs - beginMs) / WIDTH;
  const wide = Math.max(...tasks.map(({ name }) => name.length));
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  return [
    ...tasks.map(({ name, task }) => {
      const tookMs = endOf(task, beginMs) - Date.parse(task.created_at);
      const needed = tasks.filter(({ task: { id } }) => task.depends_on.includes(id));
      const freeMs = Math.max(
        Date.parse(task.created_at),
        ...needed.map((other) => endOf(other.task, beginMs)),
      );
      return `${name.padEnd(wide)}  ${bar(task, loads, { beginMs, stepMs, freeMs })}  ${seconds(tookMs)}`;
    }),
    `${''.padEnd(wide)}  ${MARKS.waits} waits   ${MARKS.loads} its model is loaded   ${MARKS.runs} runs   ${seconds(endMs - beginMs)} in all`,
  ];
};

/** A task that has not ended lasts until the end of the picture's last one. */
const endOf = ({ ended_at, started_at, created_at }: TimelineTask['task'], leastMs: number): number =>
  Math.max(leastMs, Date.parse(ended_at ?? started_at ?? created_at));

/** Where the picture begins, what a mark stands for, and from when on the task waited for nothing but a place. */
type Scale = { readonly beginMs: number; readonly stepMs: number; readonly freeMs: number };

/** One mark for each step of time. Running shows before loading, and loading before waiting. */
const bar = (
  task: TimelineTask['task'],
  loads: readonly Span[],
  { beginMs, stepMs, freeMs }: Scale,
): string => {
  const created = Date.parse(task.created_at);
  const started = Date.parse(task.started_at ?? task.ended_at ?? task.created_at);
  const ended = endOf(task, beginMs);
  const waiting = loads.map(({ fromMs, toMs }) => ({
    fromMs: Math.max(fromMs, freeMs),
    toMs: Math.min(toMs, started),
  }));
  return Array.from({ length: WIDTH }, (_, n) => {
    const step = { fromMs: beginMs + n * stepMs, toMs: beginMs + (n + 1) * stepMs };
    if (task.started_at !== null && overlap(step, { fromMs: started, toMs: ended })) return MARKS.runs;
    if (waiting.some((span) => overlap(step, span))) return MARKS.loads;
    return overlap(step, { fromMs: created, toMs: started }) ? MARKS.waits : ' ';
  }).join('');
};

const overlap = (a: Span, b: Span): boolean => a.fromMs < b.toMs && b.fromMs < a.toMs;
