import { LogAudit, type AuditedStream, type AuditReport } from '#libs/audit/log-audit.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { linesOf } from './export-lines.js';
import { recordOfLine } from './record-of.js';

/** Two files that `orchestra events --json` wrote, one for each stream. */
export type ExportFiles = Readonly<Record<AuditedStream, string>>;

/** What an export does not hold, so that nobody takes silence for soundness. */
export const NOT_IN_AN_EXPORT = [
  'promise 5: only a running scheduler can be asked for its state',
  'SUBMISSION_LOST: what clients sent is not in an export',
] as const;

/** The present of an export is its last event. */
export const auditExport = async (files: ExportFiles, settled: boolean): Promise<AuditReport> => {
  const audit = new LogAudit();
  let nowMs = 0;
  for (const stream of ['tasks', 'leases'] as const) {
    for await (const { line, place } of linesOf(files[stream])) {
      try {
        const record = recordOfLine(line);
        nowMs = Math.max(nowMs, Date.parse(record.time));
        audit.take(stream, record);
      } catch (error) {
        throw new CommandError(EXIT.usage, `${files[stream]}, line ${place}: ${(error as Error).message}`);
      }
    }
  }
  return audit.report({ nowMs, settled });
};
