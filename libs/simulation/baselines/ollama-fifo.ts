import type { Hardware } from '#libs/simulation/hardware.js';
import type { SimScheduler } from '#libs/simulation/run-record.js';
import { runTrace, type World } from '#libs/simulation/run-trace.js';
import type { SimTask } from '#libs/simulation/trace.js';
import { Balancer } from './balancer.js';
import { Ollama, type OllamaEdition } from './ollama.js';

/**
 * Requests straight to Ollama, in order of arrival. With several GPUs there is one Ollama per GPU, and each request goes
 * to one of them by chance, among those whose GPU can hold its model: what clients and plain load balancers do today.
 */
export const ollamaFifo = (numParallel: number, edition: OllamaEdition = 'asShipped'): SimScheduler => {
  const name = `ollama-fifo-${numParallel}${edition === 'fixed' ? '-fixed' : ''}`;
  return {
    name,
    run: (trace, hardware) =>
      runTrace(name, trace, withSlots(hardware, numParallel), (world) => connect(world, edition)),
  };
};

const connect = (world: World, edition: OllamaEdition): ((task: SimTask) => void) => {
  const ollamas = new Map(world.servers.map((server) => [server, new Ollama(server, world.clock, edition)]));
  const balancer = new Balancer({
    world,
    send: (task, server, listener) => ollamas.get(server)?.request(world.modelOf(task), task, listener),
  });
  return (task) => balancer.submit(task);
};

/** OLLAMA_NUM_PARALLEL on every server. */
const withSlots = (hardware: Hardware, slots: number): Hardware => ({
  ...hardware,
  servers: hardware.servers.map((server) => ({ ...server, slots })),
});
