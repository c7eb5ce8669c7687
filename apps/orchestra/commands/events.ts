import type { Command } from 'commander';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { isId } from '#libs/domain/ids.js';
import type { EventLog, LogPosition, StoredEvent } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { oneOf, pointInTime, wholeNumber } from '../arguments.js';
import { connectObserver, lastSeqBefore } from '../client/observer.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';
import { stopSignal } from '../stop-signal.js';
import { addBrokerOptions, observerOf, type BrokerOptions } from './broker-options.js';
import { eventText } from './event-text.js';

type EventsOptions = BrokerOptions & {
  readonly stream: 'tasks' | 'leases';
  readonly fromSeq?: number;
  readonly since?: string;
  readonly task?: string;
  readonly follow?: boolean;
};

/** `orchestra events`: the log itself, as an auditor or a subscriber reads it. */
export const addEventsCommand = (program: Command, output: () => Output): void => {
  const command = program
    .command('events')
    .description('read the event log from the broker: from a sequence or a time, and on as it grows')
    .option('--stream <name>', 'tasks or leases', oneOf(['tasks', 'leases']), 'tasks')
    .option('--from-seq <n>', 'from this sequence; 1 is the start', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--since <time>', 'from this time on (UTC), or how long ago, such as 15m', pointInTime())
    .option('--task <id>', 'only this task')
    .option('-f, --follow', 'go on as events come; alone it begins at the end of the log');
  addBrokerOptions(command).action(async (options: EventsOptions) => await events(options, output()));
};

const events = async (options: EventsOptions, out: Output): Promise<void> => {
  const { task, follow, fromSeq, since } = options;
  if (task !== undefined && (options.stream !== 'tasks' || !isId(task)))
    throw new CommandError(EXIT.usage, `--task '${task}': expected the id of a task, and --stream tasks`);
  if (fromSeq !== undefined && since !== undefined)
    throw new CommandError(EXIT.usage, '--from-seq and --since exclude each other; give one of them.');
  const stream = STREAMS[options.stream];
  const { url, keyFile } = await observerOf(options);
  const connection = await connectObserver(url, keyFile);
  try {
    const log = jetStreamEventLog(connection, stream);
    const { lastSeq } = await log.tail();
    // A bare --follow is a tail; everything else starts where the log does.
    const start = fromSeq ?? (follow && task === undefined ? lastSeq + 1 : 1);
    const seq =
      since === undefined
        ? Math.max(0, start - 1)
        : await lastSeqBefore(connection, stream.name, lastSeq, since);
    await copy(log, { seq, hash: '' }, options, out);
  } finally {
    await connection.close();
  }
};

const copy = async (
  log: EventLog,
  from: LogPosition,
  { task, follow }: EventsOptions,
  out: Output,
): Promise<void> => {
  const filter = task === undefined ? {} : { filterSubjects: [SUBJECTS.task(task, '*')] };
  if (!follow) {
    for await (const event of log.replay(from, filter)) show(event, out);
    return;
  }
  const stopped = new AbortController();
  void stopSignal().then(() => stopped.abort());
  for await (const event of log.follow(from, { ...filter, signal: stopped.signal })) show(event, out);
};

const show = (event: StoredEvent, out: Output): void => {
  const { seq, taskId } = event;
  const text = `${String(seq).padStart(8)}  ${event.time.slice(0, 10)} ${eventText(event.type, event)}`;
  out.line(event, taskId === undefined ? text : `${text}  ${out.colour('dim', taskId)}`);
};
