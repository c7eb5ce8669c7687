import { createHash } from 'node:crypto';
import type { AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';

/** Types that open a log for a writer; their sequence is the epoch of everything that it writes. */
const OPENINGS = new Set(['log.started', 'leader.elected']);

/**
 * The hash of an event, written down a second time: a mistake in the writer's own would otherwise confirm itself. SHA-256 over the
 * hash before it and every attribute, each as `<UTF-16 length>:<text>`, joined by line ends; hex.
 */
const hashOf = (record: AuditRecord): string => {
  const sum = createHash('sha256');
  const attributes: readonly (string | number | undefined)[] = [
    record.prevHash,
    record.id,
    record.type,
    record.version,
    record.subject,
    record.time,
    record.epoch,
    record.taskId,
    record.workspace,
    record.correlationId,
    record.causationId,
    record.traceparent,
    record.payload,
  ];
  for (const [place, attribute] of attributes.entries()) {
    const text = String(attribute ?? '');
    sum.update(`${place === 0 ? '' : '\n'}${text.length}:${text}`, 'utf8');
  }
  return sum.digest('hex');
};

/** Whether a stream is whole: every sequence once, every hash that of the event before, every writer the one that led. */
export class ChainAudit {
  #seq = 0;
  #hash = '';
  #epoch = 0;

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  /** Where the stream was read to. */
  get lastSeq(): number {
    return this.#seq;
  }

  /** The stream has events up to this sequence, all of which must have been taken. */
  endsAt(lastSeq: number): void {
    if (this.#seq >= lastSeq) return;
    const at = { stream: this.stream, seq: lastSeq };
    this.findings.add(
      'EVENTS_MISSING',
      at,
      `nothing behind ${this.#seq} can be read; the stream ends at ${lastSeq}`,
    );
  }

  take(record: AuditRecord): void {
    const at = { stream: this.stream, seq: record.seq };
    const follows = record.seq === this.#seq + 1;
    if (!follows)
      this.findings.add(
        'EVENTS_MISSING',
        at,
        `${record.seq} comes behind ${this.#seq}; expected is ${this.#seq + 1}`,
      );
    else if (record.prevHash !== this.#hash)
      this.findings.add(
        'HASH_BROKEN',
        at,
        `${record.id} names ${record.prevHash || 'no event'} as the hash before it; event ${this.#seq} has ${this.#hash || 'none'}`,
      );
    if (this.#seq === 0 && record.type !== 'log.started')
      this.findings.add('GENESIS_WRONG', at, `the first event is ${record.type}`);
    if (OPENINGS.has(record.type)) this.#epoch = record.seq;
    // Behind a hole nobody knows who led, and one hole is one finding.
    if (!follows) this.#epoch = record.epoch;
    if (record.epoch !== this.#epoch)
      this.findings.add(
        'WRITER_WRONG',
        at,
        `${record.id} was written under epoch ${record.epoch}; the one that led there is ${this.#epoch}`,
      );
    this.#seq = record.seq;
    this.#hash = hashOf(record);
  }
}
