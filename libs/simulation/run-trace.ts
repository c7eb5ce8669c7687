import { vramBytesOf, type Hardware, type SimModel } from './hardware.js';
import { seededRandom, seedOf, type Random } from './random.js';
import { playOutages } from './outages.js';
import type { RunRecord } from './run-record.js';
import type { SimTask, Trace } from './trace.js';
import { VirtualClock } from './virtual-clock.js';
import { startServers } from './virtual-machine.js';
import type { VirtualServer } from './virtual-server.js';
import { Workload } from './workload.js';

/** What a scheduler has in its hands. */
export type World = {
  readonly trace: Trace;
  readonly clock: VirtualClock;
  readonly servers: readonly VirtualServer[];
  /** Chance of clients and schedulers; the machine has its own. */
  readonly random: Random;
  readonly modelOf: (task: SimTask) => SimModel;
  readonly workload: Pick<Workload, 'promise' | 'started' | 'ended'>;
};

/**
 * Runs a trace from a cold machine until nothing is left to happen. `connect` is called once and returns what is to be
 * done with each task when it becomes ready.
 */
export const runTrace = (
  scheduler: string,
  trace: Trace,
  hardware: Hardware,
  connect: (world: World) => (task: SimTask) => void,
): RunRecord => {
  const clock = new VirtualClock();
  const servers = startServers(hardware, clock, seededRandom(seedOf('machine', trace.seed)));
  const models = new Map(trace.models.map((model) => [model.model, model]));
  const modelOf = (task: SimTask): SimModel => {
    const model = models.get(task.model);
    if (model === undefined) {
      throw new Error(
        `task '${task.id}' of '${trace.name}': model '${task.model}' — expected one of ${[...models.keys()].join(', ')}`,
      );
    }
    return model;
  };
  const workload: Workload = new Workload(trace, clock, (task) => submit(task));
  const random = seededRandom(seedOf('clients', trace.seed));
  const submit = connect({ trace, clock, servers, random, modelOf, workload });
  playOutages(trace.outages ?? [], servers, clock);
  clock.run();
  return workload.record(scheduler, servers);
};

/** The servers whose VRAM can hold a model; every task of a trace has at least one. */
export const serversThatHold = (
  servers: readonly VirtualServer[],
  model: SimModel,
): readonly VirtualServer[] =>
  servers.filter(({ vramBytes, slots }) => vramBytesOf(model, slots) <= vramBytes);
