import type { Hardware } from '../hardware.js';
import type { RunRecord } from '../run-record.js';
import { serviceRates, type Service } from '../service.js';
import type { Trace } from '../trace.js';

/**
 * How far two workspaces that always have something waiting may drift apart, in service per weight: twice the
 * largest request plus twice the quantum of a batch, the form of the virtual token counter with a term for batches. A
 * request cannot be taken back once it runs, and a loaded model stays for its quantum whoever's turn it is.
 *
 * The largest request is the largest that ran, by what it really received: what it will receive is not known before,
 * since running requests slow each other down. `batchQuantum` is service that one workspace may receive in a row for
 * the sake of a loaded model; both are taken at the smallest weight that can have caused them. Unknown tasks of the
 * record count nothing.
 */
export const fairnessBound = (
  record: RunRecord,
  trace: Trace,
  hardware: Hardware,
  batchQuantum: Service,
): Service => {
  const tasks = new Map(trace.tasks.map((task) => [task.id, task]));
  const weights = new Map(trace.workspaces.map(({ name, weight }) => [name, weight]));
  const rateOf = serviceRates(trace, hardware);
  const largest = record.tasks.reduce((most, run) => {
    const task = tasks.get(run.id);
    if (task === undefined) return most;
    const service = rateOf(run, task) * (run.endedAtMs - run.startedAtMs);
    return Math.max(most, service / (weights.get(task.workspace) ?? 1));
  }, 0);
  return 2 * (largest + batchQuantum / Math.min(...weights.values()));
};
