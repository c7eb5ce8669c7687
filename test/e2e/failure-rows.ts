import type { NatsConnection } from '@nats-io/transport-node';
import { STREAMS } from '#libs/contracts/streams.js';
import { START, type StoredEvent } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import type { RunningPlatform } from './running-platform.js';

export type LoggedEvent = Pick<StoredEvent, 'type' | 'seq' | 'taskId'> & {
  readonly stream: 'TASKS' | 'LEASES';
  readonly ms: number;
  readonly data: Readonly<Record<string, unknown>>;
};

type Row = { readonly what: string; readonly seenMs: number; readonly overMs: number };

/**
 * Reads both truth streams beside a running platform, and keeps what the rows of the failure table measured. A time is told and
 * never judged: a machine that is busy is slow, not wrong.
 */
export class FailureRows {
  readonly events: LoggedEvent[] = [];
  readonly #rows: Row[] = [];
  readonly #stop = new AbortController();
  #reading: readonly Promise<void>[] = [];

  private constructor(
    private readonly platform: RunningPlatform,
    readonly connection: NatsConnection,
  ) {}

  static async beside(platform: RunningPlatform): Promise<FailureRows> {
    const rows = new FailureRows(platform, await platform.connect('observer'));
    rows.#reading = [STREAMS.tasks, STREAMS.leases].map((stream) => rows.#read(stream));
    return rows;
  }

  /** The first event from `sinceMs` on that fits. */
  async seen(what: string, sinceMs: number, fits: (event: LoggedEvent) => boolean): Promise<LoggedEvent> {
    return await until(
      async () => this.events.find((event) => event.ms >= sinceMs && fits(event)),
      `${what} in the log`,
    );
  }

  of(taskId: string, ...types: readonly string[]): readonly LoggedEvent[] {
    return this.events.filter((event) => event.taskId === taskId && types.includes(event.type));
  }

  /** A failure at `atMs` was noticed with `seen`, and `over` was the end of what it had hit. */
  add(what: string, atMs: number, seen: { readonly ms: number }, over: { readonly ms: number }): void {
    this.#rows.push({ what, seenMs: seen.ms - atMs, overMs: over.ms - atMs });
  }

  /** Every lease is closed. */
  async noLeaseLeft(): Promise<void> {
    await until(async () => {
      type Servers = { readonly items: readonly { readonly leases: readonly unknown[] }[] };
      const { status, body } = await this.platform.api.call<Servers>('GET', '/api/v1/servers');
      return status === 200 && body.items.every(({ leases }) => leases.length === 0) ? true : undefined;
    }, 'all leases to be closed');
  }

  /** What an audit of the log finds when nothing is under way. */
  async audit(): Promise<{
    readonly code: number | null;
    readonly findings: unknown;
    readonly open: number;
  }> {
    const args = ['--json', 'verify', '--settled', '--data', this.platform.dataDir];
    const { code, stdout } = await orchestra(args).ended;
    const { findings, tasks } = JSON.parse(stdout) as { findings: unknown; tasks: { open: number } };
    return { code, findings, open: tasks.open };
  }

  /** Says what was measured, and stops reading. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#reading);
    await this.connection.close();
    for (const { what, seenMs, overMs } of this.#rows)
      process.stdout.write(`      ${what}: noticed after ${seenMs} ms, made good after ${overMs} ms\n`);
  }

  async #read(stream: (typeof STREAMS)['tasks' | 'leases']): Promise<void> {
    const log = jetStreamEventLog(this.connection, stream);
    for await (const { type, seq, taskId, time, data } of log.follow(START, { signal: this.#stop.signal })) {
      const ms = Date.parse(time);
      this.events.push({
        stream: stream.name,
        type,
        seq,
        ms,
        data: data as LoggedEvent['data'],
        ...(taskId === undefined ? {} : { taskId }),
      });
    }
  }
}
