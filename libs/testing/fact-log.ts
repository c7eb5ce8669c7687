import { STREAMS } from '#libs/contracts/streams.js';
import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import { START, type EventLog, type LogWriter } from '#libs/event-log/event-log.js';
import { NOW } from './builders.js';

/** A fact of the domain, whatever its type. */
export type Fact = { readonly type: string };

/** A truth stream with its genesis and its one writer, for readers to be tried on. */
export class FactLog {
  private constructor(
    readonly log: EventLog,
    private readonly writer: LogWriter,
    private readonly logId: string,
  ) {}

  /** `logId` is the id of the genesis event: another one makes another incarnation of the log. */
  static async start(log: EventLog, logId = 'log-1'): Promise<FactLog> {
    const writer = await log.openWriter(START, {
      id: logId,
      type: 'log.started',
      version: 1,
      subject: subjectIn(log, 'log.started'),
      time: NOW,
      data: { logId, at: NOW },
    });
    return new FactLog(log, writer, logId);
  }

  /** Resolves with the sequence of the last fact once all are stored. */
  async append(...facts: readonly Fact[]): Promise<number> {
    const from = this.writer.position.seq;
    const { events, acknowledged } = this.writer.append(
      facts.map(({ type, ...data }, place) => ({
        id: `${this.logId}-${from + place + 1}`,
        type,
        version: 1,
        subject: subjectIn(this.log, type),
        time: NOW,
        data,
      })),
    );
    await acknowledged();
    return events.at(-1)?.seq ?? from;
  }
}

/** A subject that the stream takes; who reads everything does not look at it. */
const subjectIn = (log: EventLog, type: string): string =>
  log.name === STREAMS.leases.name
    ? SUBJECTS.allocator(subjectToken(type))
    : SUBJECTS.scheduler(subjectToken(type));
