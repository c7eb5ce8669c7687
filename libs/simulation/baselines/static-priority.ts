import type { SimScheduler } from '#libs/simulation/run-record.js';
import { runTrace, serversThatHold, type World } from '#libs/simulation/run-trace.js';
import type { SimTask } from '#libs/simulation/trace.js';
import type { VirtualServer } from '#libs/simulation/virtual-server.js';
import { Ollama } from './ollama.js';

/**
 * A job queue with priorities in front of Ollama, as BullMQ is used: one worker per slot, each takes the job with the
 * highest priority, the oldest first, and sends it to the Ollama of its server. The queue knows nothing of models; a
 * worker only leaves alone what its server could never hold (in practice there is a queue of its own for that). A job
 * whose server dies fails and is taken again, by its priority, after BullMQ's exponential backoff with the first delay of its
 * manual's example. Better here than in fact: attempts are not counted, and a worker whose server refuses the connection
 * leaves the queue alone until it answers; as BullMQ has it, such a worker fails one job after the other, as fast as it can.
 */
export const staticPriority: SimScheduler = {
  name: 'static-priority',
  run: (trace, hardware) => runTrace('static-priority', trace, hardware, connect),
};

/** `backoff: { type: 'exponential', delay: 1000 }`: the delay doubles with each failure. */
const BACKOFF_MS = 1_000;

type Desk = { readonly server: VirtualServer; readonly ollama: Ollama; idleWorkers: number };

const connect = ({ clock, servers, modelOf, workload }: World): ((task: SimTask) => void) => {
  const jobs = new Jobs();
  const failures = new Map<string, number>();
  const desks: readonly Desk[] = servers.map((server) => ({
    server,
    ollama: new Ollama(server, clock, 'asShipped'),
    idleWorkers: server.slots,
  }));
  const work = (desk: Desk): void => {
    while (desk.server.isUp && desk.idleWorkers > 0) {
      const task = jobs.take((job) => serversThatHold([desk.server], modelOf(job)).length > 0);
      if (task === undefined) return;
      desk.idleWorkers -= 1;
      desk.ollama.request(modelOf(task), task, {
        onStarted: () => workload.started(task.id),
        onDone: () => {
          desk.idleWorkers += 1;
          workload.ended(task.id, desk.server.serverId);
          work(desk);
        },
        onBroken: () => {
          desk.idleWorkers += 1;
          const before = failures.get(task.id) ?? 0;
          failures.set(task.id, before + 1);
          clock.after(BACKOFF_MS * 2 ** before, () => add(task));
        },
      });
    }
  };
  const add = (task: SimTask): void => {
    jobs.add(task);
    // The worker that has been idle the longest blocks on the queue first; servers share the work.
    for (const desk of desks.toSorted((a, b) => b.idleWorkers - a.idleWorkers)) work(desk);
  };
  for (const desk of desks) desk.server.watch({ back: () => work(desk) });
  return add;
};

/** Priorities 1 to 10, 10 first, each in order of arrival. */
class Jobs {
  readonly #lanes = new Map<number, SimTask[]>();

  add(task: SimTask): void {
    const lane = this.#lanes.get(task.priority);
    if (lane) lane.push(task);
    else this.#lanes.set(task.priority, [task]);
  }

  take(holds: (task: SimTask) => boolean): SimTask | undefined {
    for (const priority of [...this.#lanes.keys()].toSorted((a, b) => b - a)) {
      const lane = this.#lanes.get(priority) ?? [];
      const place = lane.findIndex(holds);
      if (place >= 0) return lane.splice(place, 1)[0];
    }
    return undefined;
  }
}
