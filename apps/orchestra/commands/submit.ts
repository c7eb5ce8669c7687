import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { duration, several, severalLabels, labelPair, timeAhead, wholeNumber } from '../arguments.js';
import { readParameters } from '../client/parameters.js';
import { decidedTask, endedTask, isUndecided, type Submitted } from '../client/task-view.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';
import { resultText } from './task-text.js';
import { endBy, watchTask } from './watch.js';

type SubmitOptions = {
  readonly param: readonly string[];
  readonly paramsFile?: string;
  readonly priority?: number;
  readonly dependsOn: readonly string[];
  readonly label: readonly string[];
  readonly workspace?: string;
  readonly runAt?: string;
  readonly deadline?: string;
  readonly queueTtl?: number;
  readonly idempotencyKey?: string;
  readonly watch?: boolean;
  readonly wait?: boolean;
};

/** `orchestra submit`: prints the id of the task, or with --watch and --wait what comes of it. */
export const addSubmitCommand = (program: Command, session: () => Session): void => {
  program
    .command('submit <template>')
    .description('submit a task')
    .option(
      '-p, --param <key=value>',
      'parameter; JSON where it is JSON, @file for the text of a file, key:=text for text',
      several,
      [],
    )
    .option('--params-file <file>', 'parameters as JSON or YAML; - for stdin')
    .option('--priority <n>', '1 to 10, 10 goes first', wholeNumber(1, 10))
    .option('--depends-on <id>', 'task that must complete first; may be given several times', several, [])
    .option(
      '--label <name=value>',
      'label to find the task by; may be given several times',
      severalLabels,
      [],
    )
    .option('--workspace <name>', 'workspace')
    .option(
      '--run-at <time>',
      'nothing of it starts before: a time in UTC, or from now on, such as 2h',
      timeAhead(),
    )
    .option('--deadline <time>', 'when it should be done: a time in UTC, or from now on', timeAhead())
    .option('--queue-ttl <time>', 'it fails when nothing of it has started by then, such as 30m', duration)
    .option('--idempotency-key <key>', 'submitting again with the same key finds the first task')
    .option('--watch', 'show tokens and state until it is over')
    .option('--wait', 'wait until it is over, then print its result')
    .action(async (template: string, options: SubmitOptions) => await submit(template, options, session()));
};

const submit = async (template: string, options: SubmitOptions, { api, out }: Session): Promise<void> => {
  if (options.watch && options.wait)
    throw new CommandError(EXIT.usage, '--watch and --wait exclude each other; give one of them.');
  const body = {
    template,
    parameters: await readParameters(options.param, options.paramsFile),
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    ...(options.dependsOn.length === 0 ? {} : { depends_on: options.dependsOn }),
    ...(options.label.length === 0 ? {} : { labels: Object.fromEntries(options.label.map(labelPair)) }),
    ...(options.workspace === undefined ? {} : { workspace: options.workspace }),
    ...(options.runAt === undefined ? {} : { run_at: options.runAt }),
    ...(options.deadline === undefined ? {} : { deadline_at: options.deadline }),
    ...(options.queueTtl === undefined ? {} : { queue_ttl_ms: options.queueTtl }),
  };
  const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
  const task = await api.call<Submitted>('POST', '/api/v1/tasks', { body, headers });
  if (isUndecided(task)) out.note('stored; it is decided about as soon as a scheduler leads');
  if (!options.watch && !options.wait) return out.show(task, () => [task.id]);
  const { id } = isUndecided(task) ? await decidedTask(api, task.id) : task;
  if (options.watch) return await watchTask(api, id, out);
  const ended = await endedTask(api, id);
  out.show(ended, () => (ended.result === null ? [] : [resultText(ended.result)]));
  endBy(ended);
};
