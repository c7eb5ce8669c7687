/**
 * An event as it stands in the stream, read by the audit itself. `payload` is the text of the data; of an export, which has only
 * the data, it is written again, which gives the same text.
 */
export type AuditRecord = {
  readonly seq: number;
  readonly subject: string;
  readonly id: string;
  readonly type: string;
  readonly version: number;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly epoch: number;
  readonly prevHash: string;
  readonly taskId?: string;
  readonly workspace?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly payload: string;
};

/** The number in a cause such as `cmd:12` or `tsk:7`; null when it is of another kind or there is none. */
export const causeIn = (
  { causationId }: Pick<AuditRecord, 'causationId'>,
  kind: 'cmd' | 'tsk',
): number | null =>
  causationId?.startsWith(`${kind}:`) === true ? Number(causationId.slice(kind.length + 1)) : null;
