import type { AuditRecord } from '#libs/audit/audit-record.js';
import type { StoredMessage } from './stored-messages.js';

/** Attributes of the CloudEvent that need not be there, and their headers. */
const OPTIONAL = {
  taskId: 'ce-subject',
  workspace: 'ce-workspace',
  correlationId: 'ce-correlationid',
  causationId: 'ce-causationid',
  traceparent: 'ce-traceparent',
} as const;

/** The event in a message (CloudEvents 1.0, binary mode). Throws for what is no event. */
export const recordOf = ({ seq, subject, header, payload }: StoredMessage): AuditRecord => {
  const needed = (name: string): string => {
    const value = header(name);
    if (value === '') throw new Error(`message ${seq} on ${subject} has no header ${name}`);
    return decodeURIComponent(value);
  };
  const optional = Object.entries(OPTIONAL).flatMap(([name, from]) => {
    const value = header(from);
    return value === '' ? [] : [[name, decodeURIComponent(value)] as const];
  });
  return {
    seq,
    subject,
    id: needed('ce-id'),
    type: needed('ce-type'),
    version: Number(needed('ce-dataversion')),
    time: needed('ce-time'),
    epoch: Number(needed('ce-epoch')),
    prevHash: header('ce-prevhash'),
    ...Object.fromEntries(optional),
    data: JSON.parse(payload) as AuditRecord['data'],
    payload,
  };
};

/** One line of `orchestra events --json`. Throws for anything else. */
export const recordOfLine = (line: string): AuditRecord => {
  const event = (JSON.parse(line) ?? {}) as Omit<AuditRecord, 'payload'>;
  const { seq, id, type, data } = event;
  if (
    !Number.isInteger(seq) ||
    typeof id !== 'string' ||
    typeof type !== 'string' ||
    typeof data !== 'object'
  )
    throw new Error('this is no event; expected is a line as `orchestra events --json` writes it');
  return { ...event, payload: JSON.stringify(data) };
};
