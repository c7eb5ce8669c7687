import type { TaskView } from '#libs/contracts/queries.js';
import { isUndecided, type Undecided } from '../client/task-view.js';
import type { Colour, Output } from '../output.js';

const STATUS_COLOURS: Readonly<Record<TaskView['status'], Colour>> = {
  queued: 'yellow',
  running: 'blue',
  waiting: 'yellow',
  completed: 'green',
  failed: 'red',
  cancelled: 'dim',
};

export const statusText = (status: TaskView['status'], out: Output): string =>
  out.colour(STATUS_COLOURS[status], status);

/** Seconds with one digit, or milliseconds where they say more. */
export const durationText = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

const movedText = ({ to, task, by, at, reason }: NonNullable<TaskView['moved']>): string =>
  `${task === null ? `to the ${to}` : `${to} ${task}`} by ${by} at ${at}: ${reason}`;

const finishingText = ({ status, since, until }: NonNullable<TaskView['finishing']>): string =>
  `${status} since ${since}, and the steps at its end run, until ${until}`;

/** A task for people, most important first. */
export const taskLines = (task: TaskView, out: Output): readonly string[] => {
  const lines = [
    `${task.id}  ${statusText(task.status, out)}`,
    `  template   ${task.template.name} (${task.template.version})`,
    `  workspace  ${task.workspace}, priority ${task.priority}`,
    `  created    ${task.created_at}`,
  ];
  if (task.rerun_of) lines.push(`  repeats    ${task.rerun_of}`);
  if (task.parent) lines.push(`  part of    ${task.parent.task_id}, step ${task.parent.step_id}`);
  if (task.run_at) lines.push(`  not before ${task.run_at}`);
  if (task.deadline_at) lines.push(`  deadline   ${task.deadline_at}`);
  if (task.moved) lines.push(`  moved      ${movedText(task.moved)}`);
  if (task.started_at) lines.push(`  started    ${task.started_at}`);
  if (task.finishing) lines.push(`  finally    ${finishingText(task.finishing)}`);
  if (task.ended_at) lines.push(`  ended      ${task.ended_at}`);
  if (task.depends_on.length > 0) lines.push(`  after      ${task.depends_on.join(', ')}`);
  for (const { id, waiting, waits_for: waitsFor } of task.steps) {
    if (waiting?.task_id) lines.push(`  ${id}  task ${waiting.task_id}`);
    if (waitsFor !== undefined) lines.push(`  ${id}  waits for ${waitsFor}`);
  }
  for (const attempt of task.attempts) {
    lines.push(
      `  ${attempt.step_id} #${attempt.attempt}  ${attempt.outcome} on ${attempt.server_id}${attempt.error ? ` — ${attempt.error.code}: ${attempt.error.message}` : ''}`,
    );
  }
  for (const { id, error } of task.steps)
    if (error) lines.push(`  ${id}  could not begin — ${error.code}: ${error.message}`);
  const {
    tokens_in: tokensIn,
    tokens_out: tokensOut,
    load_ms,
    prompt_ms,
    generation_ms,
    models,
  } = task.resource_usage;
  if (models.length > 0) {
    lines.push(
      `  used       ${models.join(', ')}: load ${durationText(load_ms)}, prompt ${durationText(prompt_ms)} (${tokensIn} tokens), generation ${durationText(generation_ms)} (${tokensOut} tokens)`,
    );
  }
  if (task.error) lines.push(`  error      ${task.error.code}: ${task.error.message}`);
  if (task.result !== null)
    lines.push(
      '  result',
      ...resultText(task.result)
        .split('\n')
        .map((line) => `    ${line}`),
    );
  return lines;
};

/** What is known of it after a change. */
export const showTask = (task: TaskView | Undecided, out: Output): void =>
  out.show(task, () =>
    isUndecided(task) ? [`${task.id}  stored; not decided yet, no scheduler leads`] : taskLines(task, out),
  );

/** The text of an answer where there is one, JSON otherwise. */
export const resultText = (result: unknown): string => {
  if (typeof result === 'string') return result;
  const { text } = (result ?? {}) as { readonly text?: unknown };
  return typeof text === 'string' ? text : JSON.stringify(result, null, 2);
};
