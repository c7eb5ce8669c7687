import type { LogPosition } from '../event-log.js';
import type { PubAcks } from './pub-acks.js';

export type WriterLimits = {
  /** Appends under way at once. The rate stops growing at 64 to 256 (measured on 2.9.10). */
  readonly windowMax: number;
  /** Appends handed in and not sent yet; beyond it the caller is out of control. */
  readonly queueMax: number;
  /** Without an answer under way for this long the log is looked at: a deposed writer must find out. */
  readonly lookAfterMs: number;
  /** Silence after which the fate of what is in flight is looked up in the log itself. */
  readonly ackTimeoutMs: number;
  /** Time without any progress after which the log counts as unavailable and the writer is over. */
  readonly giveUpMs: number;
};

export const WRITER_LIMITS: WriterLimits = {
  windowMax: 256,
  queueMax: 100_000,
  lookAfterMs: 100,
  ackTimeoutMs: 3_000,
  giveUpMs: 30_000,
};

/** What the writer needs of the stream besides publishing: who wrote what behind a sequence. */
export type TailReader = {
  readonly lastSeq: () => Promise<number>;
  /** Event id at a sequence; empty when the message is none of ours. */
  readonly idAt: (seq: number) => Promise<string>;
};

export type WriterOptions = {
  readonly stream: string;
  readonly acks: PubAcks;
  readonly tail: TailReader;
  readonly epoch: number;
  readonly at: LogPosition;
  readonly limits: WriterLimits;
  /** Calls back after each reconnection, until the returned function is called. */
  readonly onReconnect: (listener: () => void) => () => void;
};
