import type { TaskView } from '#libs/contracts/queries.js';

/** Columns of the drawn time. */
const WIDTH = 48;

/**
 * Bars on one scale: `·` waits, `▒` the model loads, `█` runs. A bar has at least one mark of what took any time at all.
 */
export const timeline = (
  tasks: readonly { readonly name: string; readonly task: TaskView }[],
): readonly string[] => {
  const begin = Math.min(...tasks.map(({ task }) => Date.parse(task.created_at)));
  const end = Math.max(...tasks.map(({ task }) => Date.parse(task.ended_at ?? task.created_at)), begin + 1);
  const scale = WIDTH / (end - begin);
  const wide = Math.max(...tasks.map(({ name }) => name.length));
  return [
    ...tasks.map(
      ({ name, task }) =>
        `${name.padEnd(wide)}  ${bar(task, begin, scale)}  ${((Date.parse(task.ended_at ?? '') - Date.parse(task.created_at)) / 1000).toFixed(2)} s`,
    ),
    `${''.padEnd(wide)}  · waits   █ runs   ${((end - begin) / 1000).toFixed(2)} s in all`,
  ];
};

const bar = (task: TaskView, begin: number, scale: number): string => {
  const column = (time: string | null): number =>
    time === null ? WIDTH : Math.round((Date.parse(time) - begin) * scale);
  const created = Math.min(column(task.created_at), WIDTH - 2);
  const ended = Math.max(column(task.ended_at), created + 2);
  const started = Math.min(Math.max(column(task.started_at), created + 1), ended - 1);
  return `${' '.repeat(created)}${'·'.repeat(started - created)}${'█'.repeat(ended - started)}`.padEnd(WIDTH);
};
