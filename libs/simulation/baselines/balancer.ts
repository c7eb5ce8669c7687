import { pick } from '#libs/simulation/random.js';
import { serversThatHold, type World } from '#libs/simulation/run-trace.js';
import type { SimTask } from '#libs/simulation/trace.js';
import type { Listener, VirtualServer } from '#libs/simulation/virtual-server.js';

/** After an error a client waits that long before it sends its request again (estimate: OpenAI's library begins with half a second and goes up to eight). */
const REPEAT_PAUSE_MS = 1_000;

type BalancerOptions = {
  readonly world: World;
  readonly send: (task: SimTask, server: VirtualServer, listener: Listener) => void;
  /** Of those that answer and can hold the model; without it all of them. */
  readonly prefer?: (task: SimTask, able: readonly VirtualServer[]) => readonly VirtualServer[];
};

/**
 * Clients before a balancer that sends each request to one of the servers whose GPU can hold its model, by chance. What a dead
 * server does to them is what nginx does by default (`proxy_next_upstream error timeout`): a connection that is refused is not
 * noticed by the client, since another server is asked at once; a request that had been sent is an error, because a POST is
 * not repeated on its client's behalf. Where nobody answers is an error too. Better here than in fact: every client then sends its
 * request again, for ever, and a server that answers again is asked at once. Nobody loses patience with a server that
 * is stuck: neither Ollama nor its clients limit how long a request may take.
 */
export class Balancer {
  constructor(private readonly options: BalancerOptions) {}

  submit(task: SimTask): void {
    const { world, send, prefer } = this.options;
    const { servers, random, modelOf, workload, clock } = world;
    const again = (): void => void clock.after(REPEAT_PAUSE_MS, () => this.submit(task));
    const able = serversThatHold(servers, modelOf(task)).filter(({ isUp }) => isUp);
    if (able.length === 0) return again();
    const preferred = prefer?.(task, able) ?? able;
    const server = pick(random, preferred.length > 0 ? preferred : able);
    send(task, server, {
      onStarted: () => workload.started(task.id),
      onDone: () => workload.ended(task.id, server.serverId),
      onBroken: again,
    });
  }
}
