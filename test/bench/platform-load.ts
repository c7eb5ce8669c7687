import { connect } from '@nats-io/transport-node';
import { OUTSIDE_PREFIX } from '#libs/broker/permissions.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { TaskCompleted } from '#libs/domain/task/events.js';
import type { BenchPlatform } from './bench-platform.js';
import { HttpLane } from './http-lane.js';
import type { Load, LoadRun } from './load.js';

/** What is submitted completes while others are submitted; this long after the last one something is wrong. */
const SETTLE_MAX_MS = 60_000;

const REQUEST = JSON.stringify({ template: 'noop', parameters: {} });

/** Offers no-op tasks to the platform through HTTP and waits until it has said of each that it is complete. */
export const runLoad = async (platform: BenchPlatform, { kind, count, lanes }: Load): Promise<LoadRun> => {
  const completions = await Completions.open(platform);
  const connections = Array.from({ length: lanes }, () => new HttpLane(new URL(platform.apiUrl)));
  const submittedMs = new Map<string, number>();
  let next = 0;
  const run = async (lane: HttpLane): Promise<void> => {
    while (next < count) {
      next += 1;
      const sentMs = Date.now();
      const id = await submit(lane);
      submittedMs.set(id, sentMs);
      if (kind === 'end-to-end') await completions.of(id);
    }
  };
  const began = performance.now();
  await Promise.all(connections.map(run));
  await completions.all(count);
  const seconds = (performance.now() - began) / 1000;
  await completions.close();
  for (const lane of connections) lane.close();
  const waitsMs = [...submittedMs].map(
    ([id, sentMs]) => (completions.startedMs.get(id) ?? Number.NaN) - sentMs,
  );
  return { seconds, waitsMs };
};

const submit = async (lane: HttpLane): Promise<string> => {
  const { status, body } = await lane.post('/api/v1/tasks', REQUEST);
  if (status === 201 || status === 202) return (JSON.parse(body) as { id: string }).id;
  throw new Error(`POST answered ${status}: ${body}`);
};

/** Hears of completions as any subscriber from outside does. */
class Completions {
  readonly startedMs = new Map<string, number>();
  readonly #waiting = new Map<string, () => void>();
  #wanted = { count: Number.POSITIVE_INFINITY, reached: (): void => undefined };

  private constructor(readonly close: () => Promise<void>) {}

  static async open(platform: BenchPlatform): Promise<Completions> {
    const connection = await connect({ servers: platform.natsUrl, ...platform.observer });
    const completions = new Completions(() => connection.close());
    connection.subscribe(`${OUTSIDE_PREFIX}.${SUBJECTS.task('*', 'completed')}`, {
      callback: (error, message) => {
        if (error) throw error;
        const { taskId, step } = message.json<TaskCompleted>();
        completions.#seen(taskId, Date.parse(step?.startedAt ?? ''));
      },
    });
    await connection.flush();
    return completions;
  }

  /** Resolves when this task is complete. */
  async of(id: string): Promise<void> {
    if (this.startedMs.has(id)) return;
    await new Promise<void>((resolve) => this.#waiting.set(id, resolve));
  }

  /** Resolves when this many are; rejects when that takes too long. */
  async all(count: number): Promise<void> {
    if (this.startedMs.size >= count) return;
    await new Promise<void>((reached, reject) => {
      this.#wanted = { count, reached };
      const said = (): string => `${this.startedMs.size} of ${count} tasks were seen to complete`;
      setTimeout(() => reject(new Error(`after ${SETTLE_MAX_MS} ms ${said()}`)), SETTLE_MAX_MS).unref();
    });
  }

  #seen(id: string, startedMs: number): void {
    this.startedMs.set(id, startedMs);
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
    if (this.startedMs.size >= this.#wanted.count) this.#wanted.reached();
  }
}
