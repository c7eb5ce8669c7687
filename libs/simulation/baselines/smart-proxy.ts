import { vramBytesOf, type SimModel } from '#libs/simulation/hardware.js';
import type { SimScheduler } from '#libs/simulation/run-record.js';
import { runTrace, type World } from '#libs/simulation/run-trace.js';
import type { SimTask } from '#libs/simulation/trace.js';
import type { Listener } from '#libs/simulation/virtual-server.js';
import { Balancer } from './balancer.js';
import { Ollama } from './ollama.js';

/**
 * lasdem/ollama_smart_proxy (2026-04): a queue before one Ollama that sends on the request with the lowest score. The
 * score is 0 where the model is loaded, 200 where it fits beside what is loaded, 400 where it has to replace something, 800
 * where it is also larger than 50 GiB; plus 5 for each queued and each recent request of the client, 100 at most; minus 1
 * per whole second of waiting; never below 0; the oldest of equals. It knows the size of a model once it has seen it.
 * Better here than in fact: it sees at once what is loaded (it asks every 5 s) and what has ended (every 0.1 s). A client is a workspace. With
 * several GPUs there is one proxy per Ollama, and a request goes to one of them by chance. It repeats nothing: an error
 * of its Ollama is an error of the request. It runs beside its Ollama and dies with it, with its queue (the queue is in memory). Its
 * limit of 300 s for a request (REQUEST_TIMEOUT) is left out: under load it would cut off requests of healthy servers.
 */
export const smartProxy: SimScheduler = {
  name: 'smart-proxy',
  run: (trace, hardware) => runTrace('smart-proxy', trace, hardware, connect),
};

const SCORE = { loaded: 0, beside: 200, smallSwap: 400, largeSwap: 800 };
const LARGE_BYTES = 50 * 2 ** 30;
const PENALTY_EACH = 5;
const PENALTY_MAX = 100;
/** RATE_LIMIT_WINDOW. */
const RECENT_MS = 600_000;

const connect = (world: World): ((task: SimTask) => void) => {
  const proxies = new Map(
    world.servers.map((server) => [server, new Proxy(world, new Ollama(server, world.clock, 'asShipped'))]),
  );
  const balancer = new Balancer({
    world,
    send: (task, server, listener) => proxies.get(server)?.add(task, listener),
  });
  return (task) => balancer.submit(task);
};

type Queued = {
  readonly task: SimTask;
  readonly listener: Listener;
  readonly model: SimModel;
  readonly sinceMs: number;
  readonly order: number;
};

/** Waiting requests of one client for one model; the first has the lowest score of them. */
type Group = { readonly model: SimModel; readonly client: string; readonly waiting: Queued[] };

/** When a client sent its requests of the last ten minutes, and how many of them wait. */
type Client = { readonly sentAtMs: number[]; queued: number };

class Proxy {
  readonly #groups = new Map<string, Group>();
  readonly #clients = new Map<string, Client>();
  readonly #seen = new Set<string>();
  #lastStarted = '';
  #active = 0;
  #order = 0;

  constructor(
    private readonly world: World,
    private readonly ollama: Ollama,
  ) {
    ollama.server.watch({ died: () => this.#died() });
  }

  /** A new process knows neither clients nor sizes. */
  #died(): void {
    const broken = [...this.#groups.values()].flatMap(({ waiting }) => waiting);
    this.#groups.clear();
    this.#clients.clear();
    this.#seen.clear();
    this.#lastStarted = '';
    this.#active = 0;
    for (const { listener } of broken) listener.onBroken?.();
  }

  add(task: SimTask, listener: Listener): void {
    const { nowMs } = this.world.clock;
    const model = this.world.modelOf(task);
    const client = this.#client(task.workspace);
    client.sentAtMs.push(nowMs);
    client.queued += 1;
    const key = JSON.stringify([task.model, task.workspace]);
    const group = this.#groups.get(key) ?? { model, client: task.workspace, waiting: [] };
    group.waiting.push({ task, listener, model, sinceMs: nowMs, order: this.#order });
    this.#groups.set(key, group);
    this.#order += 1;
    this.#send();
  }

  /** OLLAMA_MAX_PARALLEL is what the server has slots for. */
  #send(): void {
    while (this.#active < this.ollama.server.slots) {
      const next = this.#lowest();
      if (next === undefined) return;
      this.#start(next);
    }
  }

  #start({ task, model, listener }: Queued): void {
    this.#client(task.workspace).queued -= 1;
    this.#active += 1;
    this.#lastStarted = model.model;
    this.ollama.request(model, task, {
      ...listener,
      onStarted: () => {
        this.#seen.add(model.model);
        listener.onStarted?.();
      },
      onDone: () => {
        this.#active -= 1;
        listener.onDone();
        this.#send();
      },
    });
  }

  #lowest(): Queued | undefined {
    const loaded = this.ollama.loaded;
    let best: { readonly group: Group; readonly first: Queued; readonly score: number } | undefined;
    for (const group of this.#groups.values()) {
      const [first] = group.waiting;
      if (first === undefined) continue;
      const score = this.#score(group, first, loaded);
      const better = !best || score < best.score || (score === best.score && first.order < best.first.order);
      if (better) best = { group, first, score };
    }
    return best?.group.waiting.shift();
  }

  #score({ model, client }: Group, { sinceMs }: Queued, loaded: readonly SimModel[]): number {
    const waitS = Math.floor((this.world.clock.nowMs - sinceMs) / 1_000);
    return Math.max(0, this.#swapScore(model, loaded) + this.#penalty(client) - waitS);
  }

  #swapScore(model: SimModel, loaded: readonly SimModel[]): number {
    const { slots, vramBytes } = this.ollama.server;
    const bytes = (each: SimModel): number => vramBytesOf(each, slots);
    if (model.model === this.#lastStarted || loaded.some((other) => other.model === model.model))
      return SCORE.loaded;
    const usedBytes = loaded.reduce((sum, other) => sum + bytes(other), 0);
    const known = this.#seen.has(model.model);
    if (loaded.length === 0 || (known && usedBytes + bytes(model) <= vramBytes)) return SCORE.beside;
    return known && bytes(model) > LARGE_BYTES ? SCORE.largeSwap : SCORE.smallSwap;
  }

  #penalty(name: string): number {
    const { sentAtMs, queued } = this.#client(name);
    const since = this.world.clock.nowMs - RECENT_MS;
    // Beyond the maximum it does not matter how many there were.
    const enough = PENALTY_MAX / PENALTY_EACH;
    let recent = 0;
    for (let index = sentAtMs.length - 1; index >= 0 && recent < enough; index -= 1) {
      if ((sentAtMs[index] ?? 0) <= since) break;
      recent += 1;
    }
    return Math.min(PENALTY_EACH * (queued + recent), PENALTY_MAX);
  }

  #client(name: string): Client {
    const known = this.#clients.get(name);
    if (known) return known;
    const client: Client = { sentAtMs: [], queued: 0 };
    this.#clients.set(name, client);
    return client;
  }
}
