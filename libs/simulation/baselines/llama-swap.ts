import type { SimScheduler } from '#libs/simulation/run-record.js';
import { runTrace, type World } from '#libs/simulation/run-trace.js';
import type { SimTask } from '#libs/simulation/trace.js';
import { Balancer } from './balancer.js';
import { SwapRouter } from './swap-router.js';

/**
 * llama-swap (2026-08) with one instance per GPU, each with its own queue. A request goes to an instance that has its model
 * loaded or loading, if there is one, else to one by chance, among those whose GPU can hold it. Better here than in
 * fact: the sets of models that may be loaded together, which its operator writes down, are all those that fit the VRAM;
 * nothing is refused (its default is ten requests per model at once).
 */
export const llamaSwap: SimScheduler = {
  name: 'llama-swap',
  run: (trace, hardware) => runTrace('llama-swap', trace, hardware, connect),
};

const connect = (world: World): ((task: SimTask) => void) => {
  const routers = new Map(world.servers.map((server) => [server, new SwapRouter(server)]));
  const balancer = new Balancer({
    world,
    prefer: ({ model }, able) => able.filter((server) => routers.get(server)?.has(model)),
    send: (task, server, listener) =>
      routers.get(server)?.request({ model: world.modelOf(task), work: task, listener }),
  });
  return (task) => balancer.submit(task);
};
