import type { Command } from 'commander';
import type { AuditReport } from '#libs/audit/log-audit.js';
import { PROMISES } from '#libs/audit/rules.js';
import { connectObserver } from '../client/observer.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { columns, type Output } from '../output.js';
import { auditBroker, type BrokerAudit } from '../verify/audit-broker.js';
import { auditExport, NOT_IN_AN_EXPORT } from '../verify/audit-export.js';
import { addBrokerOptions, observerOf, type BrokerOptions } from './broker-options.js';

type VerifyOptions = BrokerOptions & {
  readonly tasks?: string;
  readonly leases?: string;
  readonly settled?: boolean;
};

/** `orchestra verify`: whether the log keeps what the platform promises of it. */
export const addVerifyCommand = (program: Command, output: () => Output): void => {
  const command = program
    .command('verify')
    .description('check the log against the promises of the platform, live or from an export')
    .option('--tasks <file>', 'an export: what `orchestra events --json --stream tasks` wrote')
    .option('--leases <file>', 'and what `orchestra events --json --stream leases` wrote after it')
    .option('--settled', 'nothing is under way: an open task or a live lease is a finding too');
  addBrokerOptions(command).action(async (options: VerifyOptions) => await verify(options, output()));
};

const verify = async (options: VerifyOptions, out: Output): Promise<void> => {
  const { report, notChecked } = await audited(options, out);
  out.show({ ...report, notChecked }, () => [
    ...columns(readRows(report)),
    ...report.findings.map(
      ({ rule, stream, seq, message }) => `${out.colour('red', rule)}  ${stream} ${seq}  ${message}`,
    ),
    ...brokenPromises(report).map((promise) => `Broken: ${promise}`),
    report.sound ? 'Every promise is kept.' : `${total(report)} findings.`,
  ]);
  for (const what of notChecked) out.note(`not checked: ${what}`, 'yellow');
  if (!report.sound)
    throw new CommandError(
      EXIT.unsound,
      `The log breaks what the platform promises: ${total(report)} findings.`,
    );
};

const audited = async (options: VerifyOptions, out: Output): Promise<BrokerAudit> => {
  const { tasks, leases, settled = false } = options;
  if (tasks !== undefined && leases !== undefined)
    return { report: await auditExport({ tasks, leases }, settled), notChecked: NOT_IN_AN_EXPORT };
  if (tasks !== undefined || leases !== undefined)
    throw new CommandError(EXIT.usage, 'An export has two files: give both --tasks and --leases.');
  const { url, keyFile } = await observerOf(options);
  const connection = await connectObserver(url, keyFile);
  try {
    return await auditBroker(connection, settled, (stream, seq, untilSeq) =>
      out.note(`${stream}: ${seq} of ${untilSeq}`),
    );
  } finally {
    await connection.close();
  }
};

const readRows = ({ read, tasks, attempts, leases, servers, submissions }: AuditReport) => [
  ['TASKS', `${read.tasks} events`, `${tasks.over} tasks ended, ${tasks.open} open, ${attempts} attempts`],
  ['LEASES', `${read.leases} events`, `${leases} leases, ${servers} servers`],
  ['COMMANDS', `${submissions} submissions`, ''],
];

const brokenPromises = ({ findings }: AuditReport): readonly string[] => [
  ...new Set(findings.map(({ promise }) => PROMISES[promise])),
];

const total = ({ counts }: AuditReport): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
