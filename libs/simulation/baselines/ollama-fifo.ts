import type { Hardware } from '#libs/simulation/hardware.js';
import { pick } from '#libs/simulation/random.js';
import type { SimScheduler } from '#libs/simulation/run-record.js';
import { runTrace, serversThatHold } from '#libs/simulation/run-trace.js';
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
      runTrace(
        name,
        trace,
        withSlots(hardware, numParallel),
        ({ clock, servers, random, modelOf, workload }) => {
          const ollamas = new Map(servers.map((server) => [server, new Ollama(server, clock, edition)]));
          return (task) => {
            const model = modelOf(task);
            const server = pick(random, serversThatHold(servers, model));
            ollamas.get(server)?.request(model, task, {
              onStarted: () => workload.started(task.id),
              onDone: () => workload.ended(task.id, server.serverId),
            });
          };
        },
      ),
  };
};

/** OLLAMA_NUM_PARALLEL on every server. */
const withSlots = (hardware: Hardware, slots: number): Hardware => ({
  ...hardware,
  servers: hardware.servers.map((server) => ({ ...server, slots })),
});
