import { STREAMS } from '#libs/contracts/streams.js';
import type { Loaded, LoadFailed, LoadStarted } from '#libs/domain/gpu/events.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { connectObserver, lastSeqBefore } from '../client/observer.js';
import type { Platform } from '../launch/platform.js';
import type { Span } from './timeline.js';

/** When models were loaded since a time, read from the log as any auditor would. */
export const modelLoads = async (platform: Platform, since: string): Promise<readonly Span[]> => {
  const connection = await connectObserver(platform.natsUrl, platform.observerKeyFile);
  try {
    const log = jetStreamEventLog(connection, STREAMS.leases);
    const { lastSeq } = await log.tail();
    const seq = await lastSeqBefore(connection, STREAMS.leases.name, lastSeq, since);
    const began = new Map<string, number>();
    const spans: Span[] = [];
    for await (const { type, data } of log.replay({ seq, hash: '' })) {
      if (type === 'residency.load-started') {
        const { residencyId, at } = data as LoadStarted;
        began.set(residencyId, Date.parse(at));
      } else if (type === 'residency.loaded' || type === 'residency.load-failed') {
        const { residencyId, at } = data as Loaded | LoadFailed;
        const fromMs = began.get(residencyId);
        if (fromMs !== undefined) spans.push({ fromMs, toMs: Date.parse(at) });
      }
    }
    return spans;
  } finally {
    await connection.close();
  }
};
