import type { Command } from 'commander';
import { backtest } from '#libs/simulation/backtest/backtest.js';
import {
  BACKTEST_TASKS_MAX,
  BACKTEST_WINDOW_MAX_MS,
  LogRecording,
  type Recording,
} from '#libs/simulation/backtest/log-recording.js';
import { pointInTime } from '../arguments.js';
import { backtestLines, notesOf } from '../backtest/backtest-text.js';
import { readChange } from '../backtest/read-change.js';
import { asUsage, recordBroker, recordExport, type ReadTold } from '../backtest/record-log.js';
import { connectObserver } from '../client/observer.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';
import { addBrokerOptions, observerOf, type BrokerOptions } from './broker-options.js';

type BacktestOptions = BrokerOptions & {
  readonly from: string;
  readonly to?: string;
  readonly policy?: string;
  readonly servers?: string;
  readonly tasks?: string;
  readonly leases?: string;
};

/** A replay that takes longer than this says how far it is, and again after as long. */
const TELL_EVERY_MS = 2_000;

/** `orchestra backtest`: what a stretch of the log would have been like with another policy or other servers. */
export const addBacktestCommand = (program: Command, output: () => Output): void => {
  const command = program
    .command('backtest')
    .description(
      `replay what was submitted under another policy or on other servers, beside what happened; up to ${BACKTEST_WINDOW_MAX_MS / 86_400_000} days and ${BACKTEST_TASKS_MAX} tasks`,
    )
    .requiredOption('--from <time>', 'start of the window (UTC), or how long ago, such as 2h', pointInTime())
    .option('--to <time>', 'its end; default: now, or the end of the export', pointInTime())
    .option('--policy <file>', 'settings as in policy.yaml; what it does not name has its default')
    .option('--servers <file>', 'servers as in servers.yaml, instead of all that there were')
    .option('--tasks <file>', 'an export: what `orchestra events --json --stream tasks` wrote')
    .option('--leases <file>', 'and what `orchestra events --json --stream leases` wrote after it');
  addBrokerOptions(command).action(async (options: BacktestOptions) => await run(options, output()));
};

const run = async (options: BacktestOptions, out: Output): Promise<void> => {
  const change = await readChange(options);
  const recording = await recorded(options, out);
  let toldMs = Date.now();
  const found = backtest(recording, change, (replay, over) => {
    if (Date.now() - toldMs < TELL_EVERY_MS) return;
    toldMs = Date.now();
    out.note(`${replay}: ${over} of ${recording.tasks} tasks are over`);
  });
  const { fromMs, toMs, ...rest } = found;
  const document = { from: timeOf(fromMs), to: timeOf(toMs), ...rest, notes: notesOf(found) };
  out.show(document, () => backtestLines(found));
};

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** `--from 7d` was so long ago when it was read; what has passed since does not make the window too long. */
const READ_SINCE_MAX_MS = 60_000;

/** Now. An export has no present; its window ends with it. */
const latestMs = (fromMs: number, isExport: boolean): number => {
  const [nowMs, longestMs] = [Date.now(), fromMs + BACKTEST_WINDOW_MAX_MS];
  return isExport || Math.abs(nowMs - longestMs) < READ_SINCE_MAX_MS ? longestMs : nowMs;
};

const recorded = async (options: BacktestOptions, out: Output): Promise<Recording> => {
  const { tasks, leases } = options;
  const fromMs = Date.parse(options.from);
  const told: ReadTold = (stream, seq, untilSeq) =>
    out.note(`${stream}: ${seq}${untilSeq === null ? '' : ` of ${untilSeq}`}`);
  const toMs = options.to === undefined ? latestMs(fromMs, tasks !== undefined) : Date.parse(options.to);
  const recording = asUsage('', () => new LogRecording(fromMs, toMs));
  if (tasks !== undefined && leases !== undefined)
    return await recordExport({ tasks, leases }, recording, told);
  if (tasks !== undefined || leases !== undefined)
    throw new CommandError(EXIT.usage, 'An export has two files: give both --tasks and --leases.');
  const { url, keyFile } = await observerOf(options);
  const connection = await connectObserver(url, keyFile);
  try {
    return await recordBroker(connection, recording, told);
  } finally {
    await connection.close();
  }
};
