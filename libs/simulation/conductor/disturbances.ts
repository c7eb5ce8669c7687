import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import type { Span } from '../run-record.js';
import type { VirtualClock } from '../virtual-clock.js';

/** Of what the audit lets void a promise (promise-audit.ts) those that a server's outage brings about. */
const FAILURES: ReadonlySet<string> = new Set([
  'step.failed',
  'task.failing',
  'residency.load-failed',
  'lease.expired',
]);

/** Hears what the platform records, and keeps when something happened that its promises presume not to happen. */
export class Disturbances {
  readonly #spans: Span[] = [];
  readonly #awaySinceMs = new Map<string, number>();

  constructor(private readonly clock: VirtualClock) {}

  hear({ event }: TaskRecord | GpuRecord): void {
    const { nowMs } = this.clock;
    if (FAILURES.has(event.type)) this.#spans.push({ fromMs: nowMs, toMs: nowMs });
    if (event.type !== 'server.state-changed') return;
    const sinceMs = this.#awaySinceMs.get(event.serverId);
    if (event.state !== 'up') this.#awaySinceMs.set(event.serverId, sinceMs ?? nowMs);
    else if (sinceMs !== undefined) {
      this.#awaySinceMs.delete(event.serverId);
      this.#spans.push({ fromMs: sinceMs, toMs: nowMs });
    }
  }

  /** At the end of a run; who is away then stays away. */
  get spans(): readonly Span[] {
    const still = [...this.#awaySinceMs.values()].map((fromMs) => ({ fromMs, toMs: Infinity }));
    return [...this.#spans, ...still];
  }
}
